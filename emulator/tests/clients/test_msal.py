"""MSAL for Python, unmodified, through its public configuration only, both ways in."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from typing import Any

import msal
import pytest
import requests

from browsing import Browser
from certificates import ClientCertificate
from m365_emulator.pytest_plugin import RunningEmulator
from sample import (
    BACKGROUND_ID,
    BACKGROUND_SECRET,
    CLIENT_ID,
    CLIENT_SECRET,
    DESKTOP_ID,
    EWS,
    REDIRECT_URI,
    TOM,
    App,
    claims_of,
)

pytestmark = pytest.mark.clients
GRAPH_DEFAULT = ["https://graph.microsoft.com/.default"]
SCOPES = ["User.Read", "Mail.ReadWrite"]
Make = Callable[..., Any]


@pytest.fixture(params=["own origin", "stand-in"])
def login(
    request: pytest.FixtureRequest, m365_emulator: RunningEmulator, monkeypatch: pytest.MonkeyPatch
) -> dict[str, Any]:
    """Keyword arguments for an MSAL application: own base URL, or Microsoft's names through the proxy."""
    if request.param == "own origin":
        monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
        monkeypatch.delenv("CURL_CA_BUNDLE", raising=False)
        return {"base": m365_emulator.https_url, "instance_discovery": False, "verify": m365_emulator.ca}
    for name, value in m365_emulator.stand_in_environment().items():
        monkeypatch.setenv(name, value)
    return {"base": "https://login.microsoftonline.com"}


@pytest.fixture
def confidential(login: dict[str, Any]) -> Make:
    """Make a confidential client."""

    def make(
        client_id: str, credential: Any, tenant: str, **extra: Any
    ) -> msal.ConfidentialClientApplication:
        options = {**login, **extra}
        authority = f"{options.pop('base')}/{tenant}"
        return msal.ConfidentialClientApplication(
            client_id, client_credential=credential, authority=authority, timeout=10, **options
        )

    return make


def browse(browser: Browser, emulator: RunningEmulator, url: str) -> dict[str, str]:
    """Walk the sign-in pages of `url` and return what comes back to the app."""
    path = "/" + url.split("/", 3)[3]
    page = browser.sign_in(browser.open(path), TOM)
    if page.heading == "Permissions requested":
        page = browser.press(page, "/permissions", "decision", "accept")
    return page.form(REDIRECT_URI).fields


def sign_in(client: Any, browser: Browser, emulator: RunningEmulator, scopes: list[str]) -> dict[str, Any]:
    flow = client.initiate_auth_code_flow(
        scopes, redirect_uri=REDIRECT_URI, prompt="select_account", response_mode="form_post"
    )
    result = client.acquire_token_by_auth_code_flow(flow, browse(browser, emulator, flow["auth_uri"]))
    assert "error" not in result, result
    return result


def test_code_with_pkce_then_silent_from_cache(
    m365_emulator: RunningEmulator, browser: Browser, app: App, confidential: Make
) -> None:
    app.approve(browser)
    client = confidential(CLIENT_ID, CLIENT_SECRET, "organizations")

    result = sign_in(client, browser, m365_emulator, SCOPES)
    m365_emulator.control("DELETE", "/requests")
    account = client.get_accounts()[0]
    again = client.acquire_token_silent(SCOPES, account=account)

    assert result["id_token_claims"]["preferred_username"] == TOM
    assert (
        account["home_account_id"] == f"{result['id_token_claims']['oid']}.{result['id_token_claims']['tid']}"
    )
    assert again["token_source"] == "cache"
    asked = m365_emulator.control("GET", "/requests?path=/token")["requests"]
    assert asked == [], "a cached token needs no request"


def test_refresh_for_another_resource(
    m365_emulator: RunningEmulator, browser: Browser, app: App, confidential: Make
) -> None:
    app.approve(browser, scope=f"openid profile offline_access User.Read Mail.ReadWrite {EWS}")
    client = confidential(CLIENT_ID, CLIENT_SECRET, "organizations")
    first = sign_in(client, browser, m365_emulator, SCOPES)

    exchange = client.acquire_token_silent([EWS], account=client.get_accounts()[0])
    stored = client.acquire_token_by_refresh_token(first["refresh_token"], [EWS])

    assert claims_of(exchange["access_token"])["aud"] == "https://outlook.office365.com"
    assert client.acquire_token_silent([EWS], account=client.get_accounts()[0])["token_source"] == "cache"
    assert stored["refresh_token"] != first["refresh_token"]


def test_client_credentials_with_secret_are_cached(confidential: Make) -> None:
    client = confidential(BACKGROUND_ID, BACKGROUND_SECRET, "harbourvale.example")

    first = client.acquire_token_for_client(GRAPH_DEFAULT)
    second = client.acquire_token_for_client(GRAPH_DEFAULT)

    assert (first["token_source"], second["token_source"]) == ("identity_provider", "cache")
    assert "Mail.ReadWrite" in claims_of(first["access_token"])["roles"]


def test_wrong_secret_is_told(confidential: Make) -> None:
    result = confidential(BACKGROUND_ID, "wrong", "harbourvale.example").acquire_token_for_client(
        GRAPH_DEFAULT
    )

    assert result["error"] == "invalid_client"
    assert "AADSTS7000215" in result["error_description"]


@pytest.mark.parametrize("form", ["thumbprint", "public certificate", "pfx"])
def test_client_credentials_with_certificate(
    m365_emulator: RunningEmulator, confidential: Make, certificate: ClientCertificate, form: str
) -> None:
    m365_emulator.control("PATCH", f"/apps/{BACKGROUND_ID}", {"certificates": [certificate.pem]})
    credential = {
        "thumbprint": {"private_key": certificate.key_pem, "thumbprint": certificate.sha1},
        "public certificate": {"private_key": certificate.key_pem, "public_certificate": certificate.pem},
        "pfx": {"private_key_pfx_path": certificate.pfx_path},
    }[form]

    result = confidential(BACKGROUND_ID, credential, "harbourvale.example").acquire_token_for_client(
        GRAPH_DEFAULT
    )

    assert "error" not in result, result
    assert claims_of(result["access_token"])["appidacr"] == "2"


def test_device_code(m365_emulator: RunningEmulator, browser: Browser, login: dict[str, Any]) -> None:
    options = dict(login)
    authority = f"{options.pop('base')}/organizations"
    client = msal.PublicClientApplication(DESKTOP_ID, authority=authority, timeout=10, **options)
    flow = client.initiate_device_flow(SCOPES)
    page = browser.submit(browser.open("/devicelogin"), "/devicelogin", user_code=flow["user_code"])
    assert browser.sign_in(page, TOM).heading == "You have signed in"

    result = client.acquire_token_by_device_flow(flow)

    assert result["id_token_claims"]["preferred_username"] == TOM


def test_revoked_session_is_classified_and_a_fresh_sign_in_cures_it(
    m365_emulator: RunningEmulator, browser: Browser, app: App, confidential: Make
) -> None:
    app.approve(browser, scope=f"openid profile offline_access User.Read Mail.ReadWrite {EWS}")
    client = confidential(CLIENT_ID, CLIENT_SECRET, "organizations")
    sign_in(client, browser, m365_emulator, SCOPES)
    time.sleep(0.01)
    m365_emulator.control("POST", f"/users/{TOM}/revoke-sessions")

    failed = client.acquire_token_silent_with_error([EWS], account=client.get_accounts()[0])

    assert failed["error"] == "invalid_grant"
    assert 50173 in failed["error_codes"]
    assert sign_in(client, browser, m365_emulator, SCOPES)["access_token"]


def test_claims_challenge_of_graph_leads_back_to_the_sign_in(
    m365_emulator: RunningEmulator, browser: Browser, app: App, confidential: Make
) -> None:
    app.approve(browser)
    client = confidential(CLIENT_ID, CLIENT_SECRET, "organizations", client_capabilities=["cp1"])
    result = sign_in(client, browser, m365_emulator, SCOPES)
    assert claims_of(result["access_token"])["xms_cc"] == ["cp1"]
    m365_emulator.advance(5)
    m365_emulator.control("POST", f"/users/{TOM}/revoke-sessions")

    answer = requests.get(
        f"{m365_emulator.https_url}/v1.0/me",
        headers={"Authorization": f"Bearer {result['access_token']}"},
        verify=m365_emulator.ca,
        timeout=10,
        proxies={"https": ""},
    )
    challenge = requests.utils.parse_dict_header(answer.headers["WWW-Authenticate"].removeprefix("Bearer "))
    claims = base64.b64decode(challenge["claims"] + "==").decode()
    silent = client.acquire_token_silent_with_error(
        SCOPES, account=client.get_accounts()[0], claims_challenge=claims
    )

    assert answer.status_code == 401
    assert challenge["error"] == "insufficient_claims"
    assert json.loads(claims)["access_token"]["nbf"]["essential"] is True
    assert silent["error"] == "invalid_grant"


def test_user_name_and_password(
    m365_emulator: RunningEmulator, browser: Browser, app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    # In stand-in mode only: MSAL drops the port when it asks for the person's realm.
    for name, value in m365_emulator.stand_in_environment().items():
        monkeypatch.setenv(name, value)
    app.approve(browser)
    client = msal.ConfidentialClientApplication(
        CLIENT_ID,
        client_credential=CLIENT_SECRET,
        authority="https://login.microsoftonline.com/organizations",
        timeout=10,
    )

    result = client.acquire_token_by_username_password(TOM, "emulator", SCOPES)

    assert claims_of(result["access_token"])["upn"] == TOM
