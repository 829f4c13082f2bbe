"""Names, automatic replies, and finding the way to a mailbox."""

from __future__ import annotations

from lxml import etree

TOM = "tom.ellis@harbourvale.example"
DANA = "dana.okafor@harbourvale.example"


def resolve(text: str, full: str = "true") -> str:
    return (
        f'<m:ResolveNames ReturnFullContactData="{full}" SearchScope="ActiveDirectory"><m:UnresolvedEntry>{text}'
        "</m:UnresolvedEntry></m:ResolveNames>"
    )


def test_one_person_is_found_by_name_or_address(client):
    for text in ("dana", "Okafor", DANA, "dana.ok"):
        response = client.call(resolve(text))
        assert client.codes(response) == ["NoError"]
        assert client.text(response, ".//t:Resolution/t:Mailbox/t:EmailAddress") == DANA
        assert client.text(response, ".//t:Contact/t:JobTitle") == "Head of Operations"


def test_several_people_are_a_warning_that_lists_them(client):
    response = client.call(resolve("sales", "false"))
    assert client.codes(response) == ["ErrorNameResolutionMultipleResults"]
    assert client.one(response, ".//m:ResolveNamesResponseMessage").get("ResponseClass") == "Warning"
    assert len(client.all(response, ".//t:Resolution")) == 3


def test_people_of_other_tenants_are_not_found(client):
    assert client.codes(client.call(resolve("labs"))) == ["ErrorNameResolutionNoResults"]


def oof(state: str, extra: str = "") -> str:
    return (
        f"<m:SetUserOofSettingsRequest><t:Mailbox><t:Address>{TOM}</t:Address></t:Mailbox><t:UserOofSettings>"
        f"<t:OofState>{state}</t:OofState><t:ExternalAudience>All</t:ExternalAudience>{extra}"
        "<t:InternalReply><t:Message>Back on Monday</t:Message></t:InternalReply>"
        "<t:ExternalReply><t:Message>Away</t:Message></t:ExternalReply></t:UserOofSettings></m:SetUserOofSettingsRequest>"
    )


def test_automatic_replies_are_kept_and_sent(client):
    assert client.codes(client.call(oof("Enabled"))) == ["NoError"]
    got = client.call(
        f"<m:GetUserOofSettingsRequest><t:Mailbox><t:Address>{TOM}</t:Address></t:Mailbox></m:GetUserOofSettingsRequest>"
    )
    assert client.text(got, "t:OofSettings/t:OofState") == "Enabled"
    assert client.text(got, "t:OofSettings/t:InternalReply/t:Message") == "Back on Monday"
    client.call(
        '<m:CreateItem MessageDisposition="SendAndSaveCopy"><m:Items><t:Message><t:Subject>Are you there</t:Subject>'
        f"<t:ToRecipients><t:Mailbox><t:EmailAddress>{TOM}</t:EmailAddress></t:Mailbox></t:ToRecipients></t:Message></m:Items>"
        "</m:CreateItem>",
        as_user=DANA,
    )
    inbox = [item.subject for item in client.mailbox(DANA).well_known("inbox").items.values()]
    assert "Automatic reply: Are you there" in inbox


def test_a_schedule_must_end_after_it_starts(client):
    window = (
        "<t:Duration><t:StartTime>2027-01-02T00:00:00Z</t:StartTime><t:EndTime>2027-01-01T00:00:00Z</t:EndTime>"
        "</t:Duration>"
    )
    assert client.codes(client.call(oof("Scheduled", window))) == ["ErrorInvalidScheduledOofDuration"]


def test_settings_of_others_are_closed(client):
    response = client.call(
        f"<m:GetUserOofSettingsRequest><t:Mailbox><t:Address>{DANA}</t:Address></t:Mailbox></m:GetUserOofSettingsRequest>"
    )
    assert client.codes(response) == ["ErrorAccessDenied"]


def test_autodiscover_v2_answers_both_forms_without_a_token(client):
    base = str(client.http.base_url).rstrip("/")
    for path in (
        f"/autodiscover/autodiscover.json?Email={TOM}&Protocol=EWS&RedirectCount=3",
        f"/Autodiscover/Autodiscover.json/v1.0/{TOM}?Protocol=Ews",
    ):
        response = client.http.get(path)
        assert response.status_code == 200
        assert response.json() == {"Protocol": "EWS", "Url": f"{base}/EWS/Exchange.asmx"}


def test_autodiscover_v2_says_where_an_on_premises_mailbox_is(client):
    response = client.http.get(
        "/autodiscover/autodiscover.json?Email=warehouse.one@harbourvale.example&Protocol=EWS"
    )
    assert response.json()["Url"] == "https://mail.harbourvale.example/EWS/Exchange.asmx"


def test_autodiscover_v2_is_no_proof_that_a_mailbox_exists(client):
    assert (
        client.http.get(
            "/autodiscover/autodiscover.json?Email=nobody@harbourvale.example&Protocol=EWS"
        ).status_code
        == 200
    )


def test_autodiscover_v2_explains_bad_requests(client):
    for query, status, code in (
        ("Protocol=EWS", 400, "MandatoryParameterMissing"),
        (f"Email={TOM}", 400, "MandatoryParameterMissing"),
        (f"Email={TOM}&Protocol=Gopher", 400, "ProtocolNotSupported"),
        ("Email=tom&Protocol=EWS", 400, "InvalidUserId"),
        ("Email=a@unknown.example&Protocol=EWS", 404, "UserNotFound"),
    ):
        response = client.http.get(f"/autodiscover/autodiscover.json?{query}")
        assert (response.status_code, response.json()["ErrorCode"]) == (status, code)


def test_autodiscover_names_lead_to_the_service_name(client):
    response = client.http.get(
        f"/autodiscover/autodiscover.json?Email={TOM}&Protocol=EWS",
        headers={"Host": "autodiscover-s.outlook.com"},
    )
    assert response.json()["Url"] == "https://outlook.office365.com/EWS/Exchange.asmx"


def user_settings(address: str) -> str:
    return (
        '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" '
        'xmlns:a="http://schemas.microsoft.com/exchange/2010/Autodiscover"><s:Body><a:GetUserSettingsRequestMessage><a:Request>'
        f"<a:Users><a:User><a:Mailbox>{address}</a:Mailbox></a:User></a:Users><a:RequestedSettings>"
        "<a:Setting>ExternalEwsUrl</a:Setting><a:Setting>InternalOABUrl</a:Setting></a:RequestedSettings></a:Request>"
        "</a:GetUserSettingsRequestMessage></s:Body></s:Envelope>"
    )


def test_soap_autodiscover_tells_the_endpoint_and_what_it_does_not_know(client):
    headers = {"Authorization": f"Bearer {client.token()}"}
    response = client.http.post("/autodiscover/autodiscover.svc", content=user_settings(TOM), headers=headers)
    root = etree.fromstring(response.content)
    assert (
        root.findtext(".//{*}UserSetting/{*}Value")
        == f"{str(client.http.base_url).rstrip('/')}/EWS/Exchange.asmx"
    )
    assert root.findtext(".//{*}UserSettingError/{*}SettingName") == "InternalOABUrl"
    for address, code in (
        ("nobody@harbourvale.example", "InvalidUser"),
        ("warehouse.one@harbourvale.example", "RedirectUrl"),
    ):
        response = client.http.post(
            "/autodiscover/autodiscover.svc", content=user_settings(address), headers=headers
        )
        assert etree.fromstring(response.content).findtext(".//{*}UserResponse/{*}ErrorCode") == code


def test_soap_autodiscover_asks_for_modern_authentication(client):
    response = client.http.post("/autodiscover/autodiscover.svc", content=user_settings(TOM))
    assert response.status_code == 401
    assert "Modern Auth" in response.headers["ms-diagnostics-public"]


def test_plain_xml_autodiscover_tells_the_endpoint_or_the_error(client):
    def ask(address: str) -> str:
        return client.http.post(
            "/autodiscover/autodiscover.xml",
            content=(
                '<Autodiscover xmlns="http://schemas.microsoft.com/exchange/autodiscover/outlook/requestschema/2006"><Request>'
                f"<EMailAddress>{address}</EMailAddress><AcceptableResponseSchema>"
                "http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a</AcceptableResponseSchema>"
                "</Request></Autodiscover>"
            ),
            headers={"Authorization": f"Bearer {client.token()}"},
        ).text

    assert "/EWS/Exchange.asmx</EwsUrl>" in ask(TOM)
    assert "<ErrorCode>500</ErrorCode>" in ask("nobody@harbourvale.example")
    assert "<RedirectUrl>https://mail.harbourvale.example/" in ask("warehouse.one@harbourvale.example")
