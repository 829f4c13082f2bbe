"""The sample vendor's app: builds its requests and redeems what comes back."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import httpx

from browsing import Browser, Page, query_of

CLIENT_ID = "4f6c1d0e-7b52-4c1b-9a55-20d1b6f0c3aa"
CLIENT_SECRET = "larkspur-emulator-secret"
BACKGROUND_ID = "7b0a5c3e-2f64-4d0d-8a8b-3c1f5e9d2b10"
BACKGROUND_SECRET = "background-emulator-secret"
DESKTOP_ID = "a2d94c17-5e80-4b6f-91c3-7f0e8d6b5a11"
UNFAMILIAR_ID = "d61b7f30-c8a5-42e9-b07d-15f4a9e38c12"
UNFAMILIAR_SECRET = "unfamiliar-emulator-secret"
API_ID = "e83c2a95-04f7-4d1e-a6b8-9c50d7f2e113"
API_SECRET = "api-emulator-secret"
REDIRECT_URI = "https://connect.larkspur.example/admin-consent/return"
HARBOUR = "9c2f0b7a-51de-4a66-8f3e-1d7a40e2b918"

PRIYA = "priya.nair@harbourvale.example"
TOM = "tom.ellis@harbourvale.example"
DANA = "dana.okafor@harbourvale.example"
GLOBAL_ADMIN = "global.admin@harbourvale.example"
EXCHANGE_ADMIN = "exchange.admin@harbourvale.example"
NORDICS_ADMIN = "nordics.admin@hv-nordics.example"
NORDICS_ONE = "nordics.one@hv-nordics.example"
LABS_ADMIN = "labs.admin@hv-labs.example"
LABS_ONE = "labs.one@hv-labs.example"
PARTNER = "partner.one@other-company.example"

OIDC = "openid profile offline_access"
GRAPH_SCOPE = f"{OIDC} User.Read Mail.ReadWrite Mail.Send Calendars.ReadWrite MailboxSettings.Read"
EWS = "https://outlook.office365.com/EWS.AccessAsUser.All"
EWS_SCOPE = f"{OIDC} User.Read {EWS}"
HTTP = httpx.Client(timeout=20, trust_env=False, verify=False)  # making an SSL context for each call is slow
VERIFIER = "v" * 43
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()


def claims_of(token: str) -> dict[str, Any]:
    """Claims of a JWT, unverified."""
    part = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


@dataclass
class App:
    """One client of the emulated Entra ID."""

    base: str
    client_id: str = CLIENT_ID
    secret: str | None = CLIENT_SECRET
    redirect_uri: str = REDIRECT_URI

    def authorize_url(self, authority: str = "organizations", **params: str) -> str:
        values = {
            "client_id": self.client_id,
            "response_type": "code",
            "redirect_uri": self.redirect_uri,
            "scope": GRAPH_SCOPE,
            "state": "state-1",
            "nonce": "nonce-1",
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
            **params,
        }
        return f"/{authority}/oauth2/v2.0/authorize?{urlencode(values)}"

    def admin_consent_url(self, authority: str = "organizations", **params: str) -> str:
        values = {
            "client_id": self.client_id,
            "redirect_uri": self.redirect_uri,
            "scope": GRAPH_SCOPE,
            "state": "state-1",
            **params,
        }
        return f"/{authority}/v2.0/adminconsent?{urlencode(values)}"

    def token(
        self, authority: str = "organizations", *, headers: dict[str, str] | None = None, **form: str
    ) -> httpx.Response:
        body = {"client_id": self.client_id, **form}
        if self.secret and "client_assertion" not in form:
            body.setdefault("client_secret", self.secret)
        url = f"{self.base}/{authority}/oauth2/v2.0/token"
        return HTTP.post(url, data=body, headers=headers)

    def redeem(self, page: Page, authority: str = "organizations", **form: str) -> httpx.Response:
        values = query_of(page.url)
        assert "code" in values, page.url
        return self.token(
            authority,
            grant_type="authorization_code",
            code=values["code"],
            redirect_uri=self.redirect_uri,
            code_verifier=VERIFIER,
            **form,
        )

    def approve(self, browser: Browser, admin: str = PRIYA, **params: str) -> Page:
        """Give admin consent."""
        page = browser.sign_in(browser.open(self.admin_consent_url(**params)), admin)
        return browser.press(page, "/permissions", "decision", "accept")

    def tokens_for(
        self, browser: Browser, upn: str, *, authority: str = "organizations", **params: str
    ) -> dict[str, Any]:
        """Sign a person in and return the token answer; accepts a consent page when one comes."""
        page = browser.open(self.authorize_url(authority, prompt="select_account", **params))
        page = browser.sign_in(page, upn)
        if page.heading == "Permissions requested":
            page = browser.press(page, "/permissions", "decision", "accept")
        answer = self.redeem(page, authority, client_info="1")
        assert answer.status_code == 200, answer.text
        return answer.json()

    def refresh(self, refresh_token: str, authority: str = "organizations", **form: str) -> httpx.Response:
        return self.token(authority, grant_type="refresh_token", refresh_token=refresh_token, **form)


def aadsts(answer: httpx.Response) -> int:
    """The AADSTS number of an error answer."""
    return answer.json()["error_codes"][0]
