"""The directory over Graph: organization, domains, people, service principals, grants."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from browsing import Browser
from m365_emulator.pytest_plugin import RunningEmulator
from sample import BACKGROUND_ID, BACKGROUND_SECRET, DANA, HARBOUR, HTTP, TOM, App, aadsts, claims_of

GRAPH = "00000003-0000-0000-c000-000000000000"
EXCHANGE = "00000002-0000-0ff1-ce00-000000000000"
WRITES = [
    "Application.ReadWrite.All",
    "DelegatedPermissionGrant.ReadWrite.All",
    "AppRoleAssignment.ReadWrite.All",
    "User.RevokeSessions.All",
]


class Directory:
    """Graph, called by an app that may administer consent."""

    def __init__(self, emulator: RunningEmulator) -> None:
        self.base = emulator.http_url
        emulator.control(
            "POST",
            f"/tenants/{HARBOUR}/grants",
            {
                "app_id": BACKGROUND_ID,
                "delegated": {},
                "application": {GRAPH: [*WRITES, "Directory.Read.All"]},
            },
        )
        answer = App(self.base, BACKGROUND_ID, BACKGROUND_SECRET).token(
            HARBOUR, grant_type="client_credentials", scope="https://graph.microsoft.com/.default"
        )
        self.headers = {"authorization": f"Bearer {answer.json()['access_token']}"}

    def call(
        self, method: str, path: str, body: dict[str, Any] | None = None, **headers: str
    ) -> httpx.Response:
        return HTTP.request(method, f"{self.base}/v1.0{path}", json=body, headers={**self.headers, **headers})

    def list(self, path: str) -> list[dict[str, Any]]:
        answer = self.call("GET", path)
        assert answer.status_code == 200, answer.text
        return answer.json()["value"]


@pytest.fixture
def directory(m365_emulator: RunningEmulator) -> Directory:
    return Directory(m365_emulator)


def test_organization_and_domains(directory: Directory) -> None:
    organization = directory.list("/organization")[0]

    assert organization["id"] == HARBOUR
    assert directory.call("GET", f"/organization/{HARBOUR}").json()["displayName"] == "Harbour & Vale"
    assert [domain["id"] for domain in directory.list("/domains")] == [
        "harbourvale.example",
        "mail.harbourvale.example",
    ]
    assert directory.call("GET", "/domains/nowhere.example").status_code == 404


def test_users_are_listed_filtered_selected_and_counted(directory: Directory) -> None:
    found = directory.list("/users?$filter=startswith(displayName,'Sales')&$select=displayName,mail")
    count = directory.call("GET", "/users/$count", ConsistencyLevel="eventual")

    assert [user["displayName"] for user in found] == ["Sales One", "Sales Two", "Sales Three"]
    assert int(count.text) == len(directory.list("/users"))
    assert directory.call("GET", "/users/$count").status_code == 400
    page = directory.call("GET", "/users?$top=2").json()
    assert len(page["value"]) == 2
    assert page["@odata.nextLink"].startswith(directory.base)


def test_a_service_principal_is_found_by_app_id_in_both_spellings(directory: Directory) -> None:
    by_filter = directory.list(f"/servicePrincipals?$filter=appId eq '{BACKGROUND_ID}'")[0]
    by_key = directory.call("GET", f"/servicePrincipals(appId='{BACKGROUND_ID}')").json()

    assert by_filter["id"] == by_key["id"]
    assert by_key["verifiedPublisher"]["displayName"] == "Larkspur Software Ltd"
    graph = directory.call("GET", f"/servicePrincipals(appId='{GRAPH}')").json()
    assert any(scope["value"] == "Mail.Read" for scope in graph["oauth2PermissionScopes"])


def test_consent_shows_as_a_grant_and_deleting_it_withdraws(
    directory: Directory, browser: Browser, app: App
) -> None:
    app.approve(browser)
    refresh_token = app.tokens_for(browser, TOM)["refresh_token"]
    client = directory.call("GET", f"/servicePrincipals(appId='{app.client_id}')").json()["id"]

    grants = directory.list(f"/oauth2PermissionGrants?$filter=clientId eq '{client}'")

    assert grants == directory.list(f"/servicePrincipals/{client}/oauth2PermissionGrants")
    assert [grant["consentType"] for grant in grants] == ["AllPrincipals"]
    assert "Mail.ReadWrite" in grants[0]["scope"].split()
    assert directory.call("DELETE", f"/oauth2PermissionGrants/{grants[0]['id']}").status_code == 204
    assert app.refresh(refresh_token).json()["suberror"] == "consent_required"


def test_granting_over_graph_is_consent_without_a_page(
    directory: Directory, browser: Browser, app: App
) -> None:
    made = directory.call("POST", "/servicePrincipals", {"appId": app.client_id})
    assert made.status_code == 201, made.text
    resource = directory.call("GET", f"/servicePrincipals(appId='{GRAPH}')").json()["id"]
    grant = {
        "clientId": made.json()["id"],
        "consentType": "AllPrincipals",
        "principalId": None,
        "resourceId": resource,
        "scope": "openid profile offline_access User.Read Mail.ReadWrite Mail.Send Calendars.ReadWrite MailboxSettings.Read",
    }

    assert directory.call("POST", "/oauth2PermissionGrants", grant).status_code == 201
    assert directory.call("POST", "/oauth2PermissionGrants", grant).status_code == 409
    assert directory.call("POST", "/servicePrincipals", {"appId": app.client_id}).status_code == 409
    assert app.tokens_for(browser, DANA)["access_token"]


def test_application_permissions_are_assigned_and_taken_away(directory: Directory) -> None:
    client = directory.call("GET", f"/servicePrincipals(appId='{BACKGROUND_ID}')").json()["id"]
    held = directory.list(f"/servicePrincipals/{client}/appRoleAssignments")
    exchange = next(item for item in held if item["resourceDisplayName"] == "Office 365 Exchange Online")
    assert exchange["principalDisplayName"] == "Larkspur background service"

    gone = directory.call("DELETE", f"/servicePrincipals/{client}/appRoleAssignments/{exchange['id']}")

    scope = "https://outlook.office365.com/.default"
    answer = App(directory.base, BACKGROUND_ID, BACKGROUND_SECRET).token(
        HARBOUR, grant_type="client_credentials", scope=scope
    )
    assert gone.status_code == 204
    assert "roles" not in claims_of(answer.json()["access_token"])
    back = {name: exchange[name] for name in ("principalId", "resourceId", "appRoleId")}
    assert directory.call("POST", f"/servicePrincipals/{client}/appRoleAssignments", back).status_code == 201
    assert exchange["appRoleId"] in {
        item["appRoleId"]
        for item in directory.list(f"/servicePrincipals(appId='{EXCHANGE}')/appRoleAssignedTo")
    }


def test_switching_an_app_off_stops_its_tokens(directory: Directory) -> None:
    client = directory.call("GET", f"/servicePrincipals(appId='{BACKGROUND_ID}')").json()["id"]

    assert (
        directory.call("PATCH", f"/servicePrincipals/{client}", {"accountEnabled": False}).status_code == 204
    )

    answer = App(directory.base, BACKGROUND_ID, BACKGROUND_SECRET).token(
        HARBOUR, grant_type="client_credentials", scope="https://graph.microsoft.com/.default"
    )
    assert answer.json()["error_codes"] == [7000112]


def test_without_the_permission_the_directory_is_closed(browser: Browser, app: App) -> None:
    app.approve(browser)
    token = app.tokens_for(browser, TOM)["access_token"]
    headers = {"authorization": f"Bearer {token}"}

    for path in ("/servicePrincipals", "/oauth2PermissionGrants", "/users", "/domains"):
        answer = HTTP.get(f"{app.base}/v1.0{path}", headers=headers)
        assert answer.status_code == 403, path


def test_revoked_sessions_end_refresh_tokens(directory: Directory, browser: Browser, app: App) -> None:
    app.approve(browser)
    token = app.tokens_for(browser, TOM)["refresh_token"]
    assert app.refresh(token).status_code == 200

    answer = directory.call("POST", f"/users/{TOM}/revokeSignInSessions")

    assert (answer.status_code, answer.json()["value"]) == (200, True)
    assert aadsts(app.refresh(token)) == 50173
    assert directory.call("POST", "/users/nobody@harbourvale.example/revokeSignInSessions").status_code == 404
