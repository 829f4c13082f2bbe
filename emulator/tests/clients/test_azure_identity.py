"""azure-identity, unmodified, both ways in."""

from __future__ import annotations

import time
from typing import Any

import jwt
import pytest
from azure.core.exceptions import ClientAuthenticationError
from azure.identity import (
    AuthorizationCodeCredential,
    CertificateCredential,
    ClientAssertionCredential,
    ClientSecretCredential,
    OnBehalfOfCredential,
)
from azure.identity.aio import CertificateCredential as AsyncCertificateCredential
from azure.identity.aio import ClientSecretCredential as AsyncClientSecretCredential

from browsing import Browser, query_of
from certificates import ClientCertificate
from m365_emulator.pytest_plugin import RunningEmulator
from sample import (
    API_ID,
    API_SECRET,
    BACKGROUND_ID,
    BACKGROUND_SECRET,
    CLIENT_ID,
    CLIENT_SECRET,
    HARBOUR,
    REDIRECT_URI,
    TOM,
    App,
    claims_of,
)

pytestmark = pytest.mark.clients
GRAPH_DEFAULT = "https://graph.microsoft.com/.default"


@pytest.fixture(params=["own origin", "stand-in"])
def login(
    request: pytest.FixtureRequest, m365_emulator: RunningEmulator, monkeypatch: pytest.MonkeyPatch
) -> dict[str, Any]:
    """Keyword arguments for a credential."""
    if request.param == "own origin":
        return {
            "authority": m365_emulator.https_url,
            "disable_instance_discovery": True,
            "connection_verify": m365_emulator.ca,
        }
    for name, value in m365_emulator.stand_in_environment().items():
        monkeypatch.setenv(name, value)
    return {}


def async_login(login: dict[str, Any], m365_emulator: RunningEmulator) -> dict[str, Any]:
    # aiohttp reads SSL_CERT_FILE when it is imported, which is before a test can set it.
    return login or {"connection_verify": m365_emulator.ca, "use_env_settings": True}


def test_client_secret(login: dict[str, Any]) -> None:
    with ClientSecretCredential(HARBOUR, BACKGROUND_ID, BACKGROUND_SECRET, **login) as credential:
        token = credential.get_token(GRAPH_DEFAULT)

    assert "Mail.ReadWrite" in claims_of(token.token)["roles"]


def test_wrong_secret_prints_the_reason(login: dict[str, Any]) -> None:
    with (
        ClientSecretCredential(HARBOUR, BACKGROUND_ID, "wrong", **login) as credential,
        pytest.raises(ClientAuthenticationError, match="AADSTS7000215"),
    ):
        credential.get_token(GRAPH_DEFAULT)


@pytest.mark.parametrize("sends_chain", [False, True])
def test_certificate(
    m365_emulator: RunningEmulator, login: dict[str, Any], certificate: ClientCertificate, sends_chain: bool
) -> None:
    m365_emulator.control("PATCH", f"/apps/{BACKGROUND_ID}", {"certificates": [certificate.pem]})

    with CertificateCredential(
        HARBOUR, BACKGROUND_ID, certificate.pem_path, send_certificate_chain=sends_chain, **login
    ) as credential:
        token = credential.get_token(GRAPH_DEFAULT)

    assert claims_of(token.token)["appidacr"] == "2"


async def test_async_client_secret(m365_emulator: RunningEmulator, login: dict[str, Any]) -> None:
    options = async_login(login, m365_emulator)
    async with AsyncClientSecretCredential(
        HARBOUR, BACKGROUND_ID, BACKGROUND_SECRET, **options
    ) as credential:
        token = await credential.get_token(GRAPH_DEFAULT)

    assert claims_of(token.token)["appid"] == BACKGROUND_ID


async def test_async_certificate_with_padded_assertion(
    m365_emulator: RunningEmulator, login: dict[str, Any], certificate: ClientCertificate
) -> None:
    m365_emulator.control("PATCH", f"/apps/{BACKGROUND_ID}", {"certificates": [certificate.pem]})
    options = async_login(login, m365_emulator)

    async with AsyncCertificateCredential(
        HARBOUR, BACKGROUND_ID, certificate.pem_path, **options
    ) as credential:
        token = await credential.get_token(GRAPH_DEFAULT)

    assert claims_of(token.token)["appidacr"] == "2"


def test_authorization_code(browser: Browser, app: App, login: dict[str, Any]) -> None:
    app.approve(browser)
    url = app.authorize_url(
        HARBOUR, prompt="select_account", code_challenge="", scope="openid User.Read Mail.Send"
    )
    code = query_of(browser.sign_in(browser.open(url), TOM).url)["code"]

    with AuthorizationCodeCredential(
        HARBOUR, CLIENT_ID, code, REDIRECT_URI, client_secret=CLIENT_SECRET, **login
    ) as credential:
        token = credential.get_token("https://graph.microsoft.com/Mail.Send")

    assert claims_of(token.token)["upn"] == TOM


def test_client_assertion(
    m365_emulator: RunningEmulator, login: dict[str, Any], certificate: ClientCertificate
) -> None:
    m365_emulator.control("PATCH", f"/apps/{BACKGROUND_ID}", {"certificates": [certificate.pem]})
    audience = f"{login.get('authority', 'https://login.microsoftonline.com')}/{HARBOUR}/oauth2/v2.0/token"

    def assertion() -> str:
        claims = {
            "aud": audience,
            "iss": BACKGROUND_ID,
            "sub": BACKGROUND_ID,
            "jti": "1",
            "exp": time.time() + 300,
        }
        return jwt.encode(claims, certificate.key_pem, "RS256", {"x5t": certificate.x5t})

    with ClientAssertionCredential(HARBOUR, BACKGROUND_ID, assertion, **login) as credential:
        assert credential.get_token(GRAPH_DEFAULT).token


def test_on_behalf_of(
    m365_emulator: RunningEmulator, browser: Browser, app: App, login: dict[str, Any]
) -> None:
    m365_emulator.control("PATCH", f"/tenants/{HARBOUR}/policies", {"user_consent": "open"})
    incoming = app.tokens_for(browser, TOM, scope=f"openid api://{API_ID}/access_as_user")["access_token"]

    with OnBehalfOfCredential(
        HARBOUR, API_ID, client_secret=API_SECRET, user_assertion=incoming, **login
    ) as credential:
        token = credential.get_token("https://graph.microsoft.com/Mail.Read")

    assert claims_of(token.token)["upn"] == TOM
