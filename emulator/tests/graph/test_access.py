"""Tokens, permissions and mailboxes that cannot be used."""

from __future__ import annotations

from datetime import timedelta

import pytest
from graph_client import DANA, TOM, GraphClient


def test_request_without_token_is_401_with_challenge(client: GraphClient) -> None:
    response = client.http.get("/v1.0/me")
    assert response.status_code == 401
    assert response.json()["error"]["code"] == "InvalidAuthenticationToken"
    assert response.headers["www-authenticate"].startswith("Bearer ")


@pytest.mark.parametrize("token", ["x", "a.b.c", "", "eyJhbGciOiJub25lIn0.e30."])
def test_garbage_token_is_401(client: GraphClient, token: str) -> None:
    assert client.refused("GET", "/me", token=token) == (401, "InvalidAuthenticationToken")


def test_expired_token_is_401(client: GraphClient) -> None:
    token = client.token()
    client.world.clock.advance(timedelta(hours=2))
    assert client.refused("GET", "/me", token=token) == (401, "InvalidAuthenticationToken")


def test_token_for_exchange_is_401(client: GraphClient) -> None:
    token = client.token(audience="https://outlook.office365.com")
    assert client.refused("GET", "/me/messages", token=token) == (401, "InvalidAuthenticationToken")


@pytest.mark.parametrize(
    ("method", "path", "scopes"),
    [
        ("GET", "/me/messages", ["Calendars.ReadWrite"]),
        ("POST", "/me/messages", ["Mail.Read"]),
        ("POST", "/me/sendMail", ["Mail.ReadWrite"]),
        ("GET", "/me/events", ["Mail.ReadWrite"]),
        ("POST", "/me/events", ["Calendars.Read"]),
        ("GET", "/me/mailboxSettings", ["Mail.ReadWrite"]),
        ("PATCH", "/me/mailboxSettings", ["MailboxSettings.Read"]),
        ("GET", "/me", ["Mail.Read"]),
    ],
)
def test_missing_permission_is_403(client: GraphClient, method: str, path: str, scopes: list[str]) -> None:
    token = client.token(scopes=scopes)
    assert client.refused(method, path, token=token) == (403, "ErrorAccessDenied")


def test_basic_permission_hides_content(client: GraphClient) -> None:
    token = client.token(scopes=["Mail.ReadBasic", "Calendars.ReadBasic"])
    message = client.get("/me/messages?$top=1", token=token)["value"][0]
    assert not {"body", "bodyPreview"} & message.keys()
    assert {"subject", "from"} <= message.keys()
    assert client.refused("GET", "/me/messages?$select=body", token=token) == (403, "ErrorAccessDenied")
    assert client.refused("GET", f"/me/messages/{message['id']}/attachments", token=token) == (
        403,
        "ErrorAccessDenied",
    )
    assert "body" not in client.get("/me/events?$top=1", token=token)["value"][0]


@pytest.mark.parametrize(
    "address", ["contractor.one@harbourvale.example", "warehouse.one@harbourvale.example"]
)
def test_person_without_cloud_mailbox_is_told_so_after_the_permission_check(
    client: GraphClient, address: str
) -> None:
    token = client.token(address, ["Mail.Read", "User.Read"])
    assert client.refused("GET", "/me/mailFolders/inbox", token=token) == (404, "MailboxNotEnabledForRESTAPI")
    assert client.get("/me", token=token)["userPrincipalName"] == address
    assert client.refused("GET", "/me/mailFolders/inbox", token=client.token(address, ["User.Read"])) == (
        403,
        "ErrorAccessDenied",
    )


def test_app_reads_any_mailbox_of_its_tenant_but_has_no_me(client: GraphClient) -> None:
    token = client.token(None, roles=["Mail.Read"])
    assert client.get(f"/users/{TOM}/mailFolders/inbox", token=token)["displayName"] == "Inbox"
    assert client.refused("GET", "/me/messages", token=token) == (400, "BadRequest")
    assert client.refused("POST", f"/users/{TOM}/messages", token=token) == (403, "ErrorAccessDenied")
    outsider = "labs.one@hv-labs.example"
    assert client.refused("GET", f"/users/{outsider}/messages", token=token) == (404, "ErrorInvalidUser")


def test_delegated_token_needs_shared_permission_and_a_right(client: GraphClient) -> None:
    path = f"/users/{TOM}/messages"
    assert client.refused("GET", path, token=client.token(scopes=["Mail.Read"])) == (403, "ErrorAccessDenied")
    shared = client.token(scopes=["Mail.Read.Shared"])
    assert client.refused("GET", path, token=shared) == (403, "ErrorAccessDenied")
    client.mailbox(TOM).permissions.full_access.add(client.user(DANA).oid)
    assert "value" in client.get(path, token=shared)


def test_own_address_is_the_own_mailbox(client: GraphClient) -> None:
    token = client.token(scopes=["Mail.Read"])
    by_me = client.get("/me/mailFolders/inbox", token=token)["id"]
    assert client.get(f"/users/{DANA.upper()}/mailFolders/inbox", token=token)["id"] == by_me
    assert client.get(f"/users('{client.user().oid}')/mailFolders('inbox')", token=token)["id"] == by_me


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/me/nothing", 400),
        ("/nothing", 400),
        ("/me/messages/x/y/z", 400),
        ("/users/nobody@harbourvale.example", 404),
    ],
)
def test_unknown_path_is_a_graph_error(client: GraphClient, path: str, code: int) -> None:
    assert client.refused("GET", path)[0] == code


def test_wrong_method_names_the_right_ones(client: GraphClient) -> None:
    response = client.send("DELETE", "/me/messages")
    assert response.status_code == 405
    assert response.headers["allow"] == "GET, POST"


def test_version_that_is_not_emulated_is_refused(client: GraphClient) -> None:
    response = client.http.get("/beta/me")
    assert (response.status_code, response.json()["error"]["code"]) == (400, "BadRequest")


def test_the_policy_by_user_agent_governs_mailboxes_also_in_batches(client: GraphClient) -> None:
    policies = client.user().tenant.policies
    policies.ews_application_access_policy, policies.ews_block_list = "EnforceBlockList", ["Backup/*"]
    backup = {"User-Agent": "Backup/2.0"}
    answer = client.send("GET", "/me/messages", headers=backup)
    assert (answer.status_code, answer.json()["error"]["message"]) == (403, "Access to OData is disabled.")
    part = {"id": "1", "method": "GET", "url": "/me/messages", "headers": {"User-Agent": "other"}}
    batch = client.send("POST", "/$batch", json={"requests": [part]}, headers=backup).json()
    assert batch["responses"][0]["status"] == 403
    assert client.send("GET", "/me", headers=backup).status_code == 200
    assert client.send("GET", "/me/messages", headers={"User-Agent": "Larkspur/1.0"}).status_code == 200


def test_a_mailbox_has_a_policy_by_user_agent_of_its_own(client: GraphClient) -> None:
    client.user().ews_application_access_policy = "EnforceAllowList"
    assert client.refused("GET", "/me/messages") == (403, "ErrorAccessDenied")
    assert client.send("GET", "/me/messages", as_user=TOM).status_code == 200
