"""Malformed input gets the documented error or a page, never a 500."""

from __future__ import annotations

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings

from browsing import Browser
from m365_emulator.pytest_plugin import RunningEmulator
from sample import API_ID, CLIENT_ID, CLIENT_SECRET, HARBOUR, HTTP, REDIRECT_URI, TOM, App

TEXT = st.text(max_size=60)
WORDS = st.sampled_from(
    ["", "openid", "Mail.Read", "https://graph.microsoft.com/.default", "https://", "/", "api://" + API_ID, "//x",
     "S256", "form_post", "code", "none", "login", "1", "-1", "[]", "{", '{"access_token":null}', "\x00", "%", "%zz"]
)  # fmt: skip
VALUE = st.one_of(TEXT, WORDS)
AUTHORIZE = st.sampled_from(
    ["client_id", "redirect_uri", "scope", "state", "nonce", "prompt", "response_type", "response_mode", "claims",
     "login_hint", "domain_hint", "max_age", "code_challenge", "code_challenge_method", "client_info", "resource", "x"]
)  # fmt: skip
TOKEN = st.sampled_from(
    ["grant_type", "client_id", "client_secret", "client_assertion", "client_assertion_type", "code", "redirect_uri",
     "code_verifier", "refresh_token", "scope", "claims", "assertion", "requested_token_use", "device_code", "resource",
     "client_info"]
)  # fmt: skip
GRANTS = st.sampled_from(
    ["authorization_code", "refresh_token", "client_credentials", "device_code",
     "urn:ietf:params:oauth:grant-type:jwt-bearer", "password", ""]
)  # fmt: skip
TENANTS = st.one_of(
    st.sampled_from(["common", "organizations", "consumers", HARBOUR, "harbourvale.example"]), TEXT
)
ENDPOINTS = st.sampled_from(
    ["oauth2/v2.0/authorize", "oauth2/authorize", "v2.0/adminconsent", "adminconsent", "oauth2/v2.0/logout"]
)
POSTED = st.sampled_from(
    ["oauth2/v2.0/token", "oauth2/v2.0/devicecode", "oauth2/v2.0/logout", "oauth2/v2.0/authorize"]
)
fuzzed = settings(
    max_examples=200,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


few = settings(fuzzed, max_examples=40)


def quoted(text: str) -> str:
    from urllib.parse import quote

    return quote(text.encode("utf-8", "surrogatepass"), safe="") or "-"


@fuzzed
@given(
    TENANTS,
    st.dictionaries(AUTHORIZE, VALUE),
    st.booleans(),
    st.sampled_from(
        [
            "oauth2/v2.0/authorize",
            "oauth2/authorize",
            "v2.0/adminconsent",
            "adminconsent",
            "oauth2/v2.0/logout",
        ]
    ),
)
def test_authorization_requests(
    m365_emulator_server: RunningEmulator, tenant: str, params: dict[str, str], is_known: bool, path: str
) -> None:
    if is_known:
        params = {"client_id": CLIENT_ID, "redirect_uri": REDIRECT_URI, "response_type": "code", **params}

    answer = HTTP.get(f"{m365_emulator_server.http_url}/{quoted(tenant)}/{path}", params=params)

    assert answer.status_code < 500, answer.text
    assert answer.status_code in (200, 302, 303, 400, 404, 405)


@fuzzed
@given(TENANTS, GRANTS, st.dictionaries(TOKEN, VALUE), st.booleans())
def test_token_requests(
    m365_emulator_server: RunningEmulator, tenant: str, grant: str, form: dict[str, str], is_known: bool
) -> None:
    form = {"grant_type": grant, **form}
    if is_known:
        form = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, **form}

    answer = HTTP.post(f"{m365_emulator_server.http_url}/{quoted(tenant)}/oauth2/v2.0/token", data=form)

    assert answer.status_code in (400, 401, 404), answer.text
    if answer.status_code != 404:
        assert answer.json()["error_description"].startswith("AADSTS")


@fuzzed
@given(
    st.binary(max_size=300),
    st.sampled_from(
        ["oauth2/v2.0/token", "oauth2/v2.0/devicecode", "oauth2/v2.0/logout", "oauth2/v2.0/authorize"]
    ),
)
def test_bodies_that_are_no_forms(m365_emulator_server: RunningEmulator, body: bytes, path: str) -> None:
    answer = HTTP.post(f"{m365_emulator_server.http_url}/common/{path}", content=body)

    assert answer.status_code in (200, 400, 401), answer.text


@few
@given(st.text(max_size=200), st.text(alphabet="ABCabc123.-_= ", max_size=120))
def test_authorization_headers(m365_emulator_server: RunningEmulator, junk: str, credentials: str) -> None:
    base = m365_emulator_server.http_url
    raw = bytes(byte for byte in junk.encode("utf-8", "replace") if 0x20 <= byte != 0x7F).strip()

    for scheme in (b"Basic ", b"Bearer ", b""):
        for value in (raw, credentials.encode()):
            headers = {b"authorization": (scheme + value).strip() or b"x"}
            form = {"grant_type": "client_credentials"}
            answers = [
                HTTP.post(f"{base}/{HARBOUR}/oauth2/v2.0/token", data=form, headers=headers),
                HTTP.get(f"{base}/oidc/userinfo", headers=headers),
                HTTP.get(f"{base}/v1.0/me", headers=headers),
            ]
            assert [answer.status_code for answer in answers if answer.status_code >= 500] == []


@fuzzed
@given(
    st.sampled_from(
        ["pick", "password", "second-step", "permissions", "approval-required", "devicelogin", "inbox"]
    ),
    st.dictionaries(
        st.sampled_from(["flow", "account", "address", "decision", "password", "add_tenant", "user_code"]),
        VALUE,
    ),
)
def test_page_forms(m365_emulator_server: RunningEmulator, path: str, form: dict[str, str]) -> None:
    answer = HTTP.post(f"{m365_emulator_server.http_url}/{path}", data=form)

    assert answer.status_code < 500, answer.text


@few
@given(
    st.dictionaries(st.sampled_from(["account", "address", "decision", "add_tenant", "justification"]), VALUE)
)
def test_page_forms_in_a_real_flow(m365_emulator_server: RunningEmulator, form: dict[str, str]) -> None:
    app = App(m365_emulator_server.http_url)
    with Browser(app.base) as browser:
        page = browser.open(app.authorize_url())
        flow = page.form("/pick").fields["flow"]
        picked = browser.press(page, "/pick", "account", TOM).form("/password").fields["flow"]
        for path in ("pick", "password", "second-step", "permissions", "approval-required"):
            for sealed in (flow, picked):
                answer = browser.client.post(f"{app.base}/{path}", data={**form, "flow": sealed})
                assert answer.status_code < 500, answer.text


@pytest.mark.parametrize(
    "path",
    [
        "/common/discovery/instance?authorization_endpoint=https://[",
        "/common/discovery/instance?authorization_endpoint=%00",
        "/common/userrealm/%00",
        "/error?code=99999999999999999999",
        "/error?code=%D9%A1",
        "/" + "a" * 5_000,
        "/%00/v2.0/.well-known/openid-configuration",
        "/return-to-app?flow=%00",
        "/mailboxes/%00",
        "/requests/999999999999999999999999",
        "/control/requests/%D9%A1",
    ],
)
def test_odd_addresses(m365_emulator_server: RunningEmulator, path: str) -> None:
    assert HTTP.get(m365_emulator_server.http_url + path).status_code < 500


def test_oversized_bodies_are_refused(m365_emulator_server: RunningEmulator) -> None:
    answer = HTTP.post(
        f"{m365_emulator_server.http_url}/common/oauth2/v2.0/token", content=b"a=" + b"x" * 400_000
    )

    assert answer.json()["error_codes"] == [9002313]
    page = HTTP.get(
        f"{m365_emulator_server.http_url}/common/oauth2/v2.0/authorize", params={"state": "s" * 20_000}
    )
    assert page.status_code == 400
    assert "AADSTS90015" in page.text
