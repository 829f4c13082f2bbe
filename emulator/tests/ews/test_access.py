"""Who gets in: tokens, permissions, the gates of Exchange Online, impersonation."""

from __future__ import annotations

from datetime import UTC, datetime
from http.client import HTTPConnection

import pytest

from m365_emulator.ews.access import application_allowed

APP = "4f6c1d0e-7b52-4c1b-9a55-20d1b6f0c3aa"
OTHER_APP = "11111111-2222-4333-8444-555555555555"
TOM = "tom.ellis@harbourvale.example"
DANA = "dana.okafor@harbourvale.example"
GET_INBOX = (
    "<m:GetFolder><m:FolderShape><t:BaseShape>IdOnly</t:BaseShape></m:FolderShape><m:FolderIds>"
    '<t:DistinguishedFolderId Id="inbox"/></m:FolderIds></m:GetFolder>'
)
BEFORE = datetime(2026, 9, 1, tzinfo=UTC)
AFTER = datetime(2026, 11, 24, tzinfo=UTC)


def impersonate(value: str, kind: str = "PrimarySmtpAddress") -> str:
    sid = f"<t:ConnectingSID><t:{kind}>{value}</t:{kind}></t:ConnectingSID>"
    return f"<t:ExchangeImpersonation>{sid}</t:ExchangeImpersonation>"


@pytest.mark.parametrize(
    ("enabled", "listed", "now", "allowed"),
    [
        (None, [], BEFORE, True),
        (None, [OTHER_APP], BEFORE, True),
        (None, [], AFTER, True),
        (None, [OTHER_APP], AFTER, True),
        (True, [], BEFORE, True),
        (True, [], AFTER, False),
        (True, [APP], BEFORE, True),
        (True, [APP.upper()], AFTER, True),
        (True, [OTHER_APP], BEFORE, False),
        (True, [OTHER_APP], AFTER, False),
        (False, [APP], BEFORE, False),
        (False, [APP], AFTER, False),
    ],
)
def test_the_organizations_switch_and_list_decide_together(enabled, listed, now, allowed):
    assert application_allowed(enabled, listed, APP, now) is allowed


def assert_blocked(client, **options):
    status, content, headers = client.post(GET_INBOX, **options)
    assert status == 403
    assert content == b""
    assert headers.get("connection", "keep-alive") == "keep-alive"


def test_a_blocked_caller_sees_a_bare_403_and_keeps_the_connection(client):
    token = client.token()
    connection = HTTPConnection(client.http.base_url.host, client.http.base_url.port, timeout=10)
    client.user().tenant.policies.ews_enabled = False
    for _ in range(3):
        # More than fits into one packet: the connection survives only if the emulator reads what it refuses.
        connection.request("POST", "/EWS/Exchange.asmx", b"x" * 300_000, {"Authorization": f"Bearer {token}"})
        first = connection.sock
        response = connection.getresponse()
        assert (response.status, response.read()) == (403, b"")
        assert connection.sock is first
        assert first is not None
    connection.close()


def test_an_application_that_is_not_listed_is_blocked(client):
    policies = client.user().tenant.policies
    policies.ews_enabled, policies.ews_allowed_app_ids = True, [OTHER_APP]
    assert_blocked(client)
    policies.ews_allowed_app_ids.append(APP)
    assert client.codes(client.call(GET_INBOX)) == ["NoError"]


def test_a_switched_off_mailbox_is_blocked_alone(client):
    client.user().ews_enabled = False
    assert_blocked(client)
    assert client.codes(client.call(GET_INBOX, as_user=DANA)) == ["NoError"]


def test_a_frontline_licence_has_a_mailbox_but_no_ews_since_the_end_of_june_2026(client):
    client.user().frontline_licence = True
    client.world.clock.set(datetime(2026, 6, 29, 12, tzinfo=UTC))
    assert client.codes(client.call(GET_INBOX)) == ["NoError"]
    client.world.clock.set(datetime(2026, 6, 30, tzinfo=UTC))
    assert_blocked(client)
    assert client.codes(client.call(GET_INBOX, as_user=DANA)) == ["NoError"]


@pytest.mark.parametrize(
    ("policy", "allowed", "blocked", "agent", "passes"),
    [
        (None, [], ["*"], "exchangelib/5.6.0", True),
        ("EnforceAllowList", [], [], "exchangelib/5.6.0", False),
        ("EnforceAllowList", ["EXCHANGELIB/*"], ["*"], "exchangelib/5.6.0", True),
        ("EnforceAllowList", ["exchangelib/6*", "OWA/*"], [], "exchangelib/5.6.0", False),
        ("EnforceAllowList", ["*"], [], "", True),
        ("EnforceBlockList", ["*"], [], "exchangelib/5.6.0", True),
        ("EnforceBlockList", [], ["*(python-requests/*)"], "exchangelib/5.6.0 (python-requests/2.32)", False),
        ("EnforceBlockList", [], ["exchangelib"], "exchangelib/5.6.0", True),
        ("EnforceBlockList", [], ["a.b"], "aXb", True),
    ],
)
@pytest.mark.parametrize("place", ["organization", "mailbox"])
def test_the_policy_by_user_agent_lets_in_or_blocks(client, place, policy, allowed, blocked, agent, passes):
    rules = client.user().tenant.policies if place == "organization" else client.user()
    rules.ews_application_access_policy = policy
    rules.ews_allow_list, rules.ews_block_list = allowed, blocked
    if passes:
        assert client.codes(client.call(GET_INBOX, headers={"User-Agent": agent})) == ["NoError"]
    else:
        assert_blocked(client, headers={"User-Agent": agent})


def test_everything_ends_on_the_first_of_april_2027(client):
    client.world.clock.set(datetime(2027, 3, 31, 23, 50, tzinfo=UTC))
    assert client.codes(client.call(GET_INBOX)) == ["NoError"]
    client.world.clock.set(datetime(2027, 4, 1, tzinfo=UTC))
    assert_blocked(client)


def assert_unauthorized(client, **options):
    status, content, headers = client.post(GET_INBOX, **options)
    assert status == 401
    assert content == b""
    assert headers["www-authenticate"].startswith("Bearer ")
    return headers


def test_a_token_for_graph_is_refused(client):
    headers = assert_unauthorized(client, token=client.token(audience="https://graph.microsoft.com"))
    assert 'error="invalid_token"' in headers["www-authenticate"]
    assert "reason=" in headers["x-ms-diagnostics"]


@pytest.mark.parametrize("audience", ["https://outlook.office.com", "00000002-0000-0ff1-ce00-000000000000"])
def test_every_name_of_the_service_is_a_good_audience(client, audience):
    assert client.codes(client.call(GET_INBOX, token=client.token(audience=audience))) == ["NoError"]


@pytest.mark.parametrize("token", ["nonsense", "a.b.c", "=", "eyJhbGciOiJub25lIn0.e30."])
def test_what_is_no_token_is_refused(client, token):
    assert_unauthorized(client, token=token)


def test_a_request_without_authorization_is_challenged(client):
    response = client.http.post("/EWS/Exchange.asmx", content=b"<x/>")
    assert response.status_code == 401
    assert response.headers["www-authenticate"].startswith("Bearer ")
    assert "error=" not in response.headers["www-authenticate"]


def test_an_expired_token_is_refused(client):
    token = client.token()
    client.advance(hours=3)
    assert_unauthorized(client, token=token)


def test_a_token_without_the_exchange_permission_is_refused(client):
    assert_unauthorized(client, token=client.token(scopes=["Mail.Read"]))
    assert_unauthorized(client, token=client.token(None, roles=["Mail.Read"]))


def test_an_application_must_say_whom_it_acts_as(client):
    token = client.token(None)
    assert client.fault_code(GET_INBOX, token=token) == "ErrorInvalidExchangeImpersonationHeaderData"
    assert client.codes(client.call(GET_INBOX, token=token, header=impersonate(DANA))) == ["NoError"]


@pytest.mark.parametrize(
    ("kind", "value", "code"),
    [
        ("PrincipalName", DANA, None),
        ("SmtpAddress", "t.ellis@harbourvale.example", None),
        ("PrimarySmtpAddress", "t.ellis@harbourvale.example", "ErrorNonPrimarySmtpAddress"),
        ("PrimarySmtpAddress", "nobody@harbourvale.example", "ErrorNonExistentMailbox"),
        ("PrimarySmtpAddress", "labs.one@hv-labs.example", "ErrorNonExistentMailbox"),
        ("PrimarySmtpAddress", "contractor.one@harbourvale.example", "ErrorNonExistentMailbox"),
        ("PrimarySmtpAddress", "warehouse.one@harbourvale.example", "ErrorNonExistentMailbox"),
        ("SID", "S-1-5-21-1", "ErrorNonExistentMailbox"),
    ],
)
def test_impersonation_reaches_mailboxes_of_the_own_tenant_only(client, kind, value, code):
    token = client.token(None)
    header = impersonate(value, kind)
    if code is None:
        assert client.codes(client.call(GET_INBOX, token=token, header=header)) == ["NoError"]
    else:
        assert client.fault_code(GET_INBOX, token=token, header=header) == code


@pytest.mark.parametrize(
    "header",
    [
        "<t:ExchangeImpersonation/>",
        "<t:ExchangeImpersonation><t:ConnectingSID/></t:ExchangeImpersonation>",
        impersonate(" "),
        impersonate(DANA, "Name"),
    ],
)
def test_a_broken_impersonation_header_is_a_fault(client, header):
    assert client.fault_code(GET_INBOX, token=client.token(None), header=header) == (
        "ErrorInvalidExchangeImpersonationHeaderData"
    )


def test_a_users_token_cannot_impersonate_somebody_else(client):
    assert client.fault_code(GET_INBOX, header=impersonate(DANA)) == "ErrorImpersonateUserDenied"
    assert client.codes(client.call(GET_INBOX, header=impersonate(TOM))) == ["NoError"]


def test_a_user_without_mailbox_is_told_so(client):
    assert (
        client.fault_code(GET_INBOX, as_user="contractor.one@harbourvale.example")
        == "ErrorNonExistentMailbox"
    )


def test_the_path_is_taken_in_any_case_and_get_shows_a_page(client):
    headers = {"Authorization": f"Bearer {client.token()}"}
    assert client.http.get("/ews/exchange.ASMX", headers=headers).status_code == 200


def test_affinity_and_request_ids_come_back(client):
    _, _, headers = client.post(
        GET_INBOX,
        headers={
            "X-PreferServerAffinity": "True",
            "client-request-id": "abc",
            "return-client-request-id": "true",
        },
    )
    assert headers["set-cookie"].startswith("X-BackEndOverrideCookie=")
    assert headers["client-request-id"] == "abc"
    assert headers["request-id"]
