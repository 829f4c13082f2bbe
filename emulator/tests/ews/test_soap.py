"""Envelopes from strangers: what is not a request gets a fault, quickly."""

from __future__ import annotations

import pytest

from ews_conformance import WHY_NOT, find_check
from m365_emulator.ews import xml
from m365_emulator.ews.state import state_of

GET_INBOX = (
    "<m:GetFolder><m:FolderShape><t:BaseShape>IdOnly</t:BaseShape></m:FolderShape><m:FolderIds>"
    '<t:DistinguishedFolderId Id="inbox"/></m:FolderIds></m:GetFolder>'
)


def test_the_schema_check_notices_what_is_wrong():
    check = find_check()
    if check is None:
        pytest.skip(WHY_NOT)
    wrong = WRONG_ORDER.replace(
        "<m:GetFolder>", f'<m:GetFolder xmlns:m="{xml.MESSAGES}" xmlns:t="{xml.TYPES}">'
    )
    envelope = f'<s:Envelope xmlns:s="{xml.SOAP}"><s:Body>{wrong}</s:Body></s:Envelope>'
    assert len(check(envelope.encode())) == 1


def raw(client, content: bytes):
    response = client.http.post(
        "/EWS/Exchange.asmx", content=content, headers={"Authorization": f"Bearer {client.token()}"}
    )
    assert response.status_code == 500
    assert client.violations(response.content) == []
    assert b"ServerVersionInfo" in response.content
    return response.text


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not xml",
        b"<a>",
        b"\x00\x01\x02",
        b"<a/>",
        b'<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"/>',
        b'<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body/></s:Envelope>',
        b'<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><x/></s:Body></s:Envelope>',
        b'<?xml version="1.0" encoding="nonsense"?><a/>',
    ],
)
def test_what_is_no_envelope_is_a_schema_fault(client, content):
    assert "ErrorSchemaValidation" in raw(client, content)


@pytest.mark.parametrize(
    "content",
    [
        b'<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>',
        b'<?xml version="1.0"?><!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>',
        '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>'.encode("utf-16"),
    ],
)
def test_document_types_are_refused_unread(client, content):
    text = raw(client, content)
    assert "DTD is prohibited" in text
    assert "root:" not in text


def test_deep_nesting_is_refused(client):
    assert "ErrorSchemaValidation" in raw(client, b"<a>" * 5000 + b"</a>" * 5000)


def test_a_deeply_nested_restriction_is_too_complex(client):
    inner = "<t:Not>" * 100 + '<t:Exists><t:FieldURI FieldURI="item:Subject"/></t:Exists>' + "</t:Not>" * 100
    response = client.call(
        '<m:FindItem Traversal="Shallow"><m:ItemShape><t:BaseShape>IdOnly</t:BaseShape></m:ItemShape>'
        f'<m:Restriction>{inner}</m:Restriction><m:ParentFolderIds><t:DistinguishedFolderId Id="inbox"/>'
        "</m:ParentFolderIds></m:FindItem>"
    )
    assert client.codes(response) == ["ErrorRestrictionTooComplex"]


def test_an_unknown_operation_is_a_fault(client):
    assert client.fault_code("<m:DropEverything/>") == "ErrorInvalidRequest"


def test_an_unknown_version_is_a_fault(client):
    response = client.http.post(
        "/EWS/Exchange.asmx",
        content=(
            '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" '
            'xmlns:t="http://schemas.microsoft.com/exchange/services/2006/types" '
            'xmlns:m="http://schemas.microsoft.com/exchange/services/2006/messages"><s:Header>'
            f'<t:RequestServerVersion Version="Exchange2099"/></s:Header><s:Body>{GET_INBOX}</s:Body></s:Envelope>'
        ),
        headers={"Authorization": f"Bearer {client.token()}"},
    )
    assert response.status_code == 500
    assert "ErrorInvalidServerVersion" in response.text


WRONG_ORDER = (
    '<m:GetFolder><m:FolderIds><t:DistinguishedFolderId Id="inbox"/></m:FolderIds><m:FolderShape>'
    "<t:BaseShape>IdOnly</t:BaseShape></m:FolderShape></m:GetFolder>"
)


def test_element_order_matters_in_strict_mode_only(client):
    assert client.codes(client.call(WRONG_ORDER)) == ["NoError"]
    state_of(client.world).strict_schema = True
    fault = client.fault(WRONG_ORDER)
    assert fault.findtext("detail/{*}ResponseCode") == "ErrorSchemaValidation"
    assert "FolderShape" in fault.findtext("detail/{*}MessageXml/{*}Violation")
    assert client.codes(client.call(GET_INBOX)) == ["NoError"]


@pytest.mark.parametrize(
    "body",
    [
        GET_INBOX.replace("<m:FolderIds>", "<m:Extra/><m:FolderIds>"),
        GET_INBOX.replace("IdOnly", "Everything"),
        GET_INBOX.replace(' Id="inbox"', ""),
        GET_INBOX.replace(' Id="inbox"', ' Id="inbox" Colour="red"'),
        GET_INBOX.replace(' Id="inbox"', ' Id="basement"'),
        GET_INBOX.replace("m:FolderShape>", "t:FolderShape>"),
        '<m:CreateItem MessageDisposition="SaveOnly"><m:Items><t:Message><t:Body BodyType="Text">b</t:Body>'
        "<t:Subject>s</t:Subject></t:Message></m:Items></m:CreateItem>",
        '<m:CreateItem MessageDisposition="Maybe"><m:Items><t:Message/></m:Items></m:CreateItem>',
        '<m:CreateItem MessageDisposition="SaveOnly"><m:Items><t:Message><t:ReminderMinutesBeforeStart>soon'
        "</t:ReminderMinutesBeforeStart></t:Message></m:Items></m:CreateItem>",
    ],
)
def test_strict_mode_refuses_what_the_schema_does_not_allow(client, body):
    state_of(client.world).strict_schema = True
    assert client.fault_code(body) == "ErrorSchemaValidation"


def test_booleans_may_be_digits_and_comments_are_no_elements(client):
    response = client.call(
        "<m:GetFolder><!-- shape --><m:FolderShape><t:BaseShape>IdOnly</t:BaseShape></m:FolderShape><m:FolderIds><!-- x -->"
        '<t:DistinguishedFolderId Id="inbox"/></m:FolderIds></m:GetFolder>'
    )
    assert client.codes(response) == ["NoError"]
    zones = client.call(
        '<m:GetServerTimeZones ReturnFullTimeZoneData="0"><m:Ids><t:Id>UTC</t:Id></m:Ids></m:GetServerTimeZones>'
    )
    assert client.codes(zones) == ["NoError"]


def test_a_caller_over_its_budget_is_told_how_long_to_wait(client):
    throttle = state_of(client.world).throttle
    client.world.clock.freeze()
    throttle.requests = 2
    for _ in range(2):
        assert client.codes(client.call(GET_INBOX)) == ["NoError"]
    fault = client.fault(GET_INBOX)
    assert fault.findtext("detail/{*}ResponseCode") == "ErrorServerBusy"
    value = fault.find("detail/{*}MessageXml/{*}Value")
    assert value.get("Name") == "BackOffMilliseconds"
    assert client.codes(client.call(GET_INBOX, as_user="dana.okafor@harbourvale.example")) == ["NoError"]
    client.advance(milliseconds=int(value.text))
    assert client.codes(client.call(GET_INBOX)) == ["NoError"]
