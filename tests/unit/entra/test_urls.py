"""Addresses at Microsoft (entra-id.md §1.7, §2.1)."""

from __future__ import annotations

import json
from urllib.parse import parse_qs, urlsplit

import pytest

from ostiary.adapters.entra import urls
from ostiary.adapters.entra.clouds import CLOUDS, resolve_cloud
from ostiary.core.kernel.errors import Misconfigured

TENANT = "9c2f0b7a-51de-4a66-8f3e-1d7a40e2b918"
SCOPES = (
    "openid",
    "https://graph.microsoft.com/Mail.ReadWrite",
    "https://outlook.office365.com/EWS.AccessAsUser.All",
)


def authorize(**changes: object) -> str:
    asked: dict[str, object] = {
        "client_id": "4f6c1d0e",
        "authority": "organizations",
        "redirect_uri": "https://connect.larkspur.example/connect/return/main",
        "scopes": SCOPES[:2],
        "state": "the-state",
        "nonce": "the-nonce",
        "code_challenge": "the-challenge",
    }
    return urls.authorize_url(CLOUDS["global"], **(asked | changes))  # type: ignore[arg-type]


def test_authorize_asks_for_a_code_with_pkce_in_the_query() -> None:
    parts = urlsplit(authorize())
    assert (parts.scheme, parts.netloc) == ("https", "login.microsoftonline.com")
    assert parts.path == "/organizations/oauth2/v2.0/authorize"
    assert {name: values[0] for name, values in parse_qs(parts.query).items()} == {
        "client_id": "4f6c1d0e",
        "response_type": "code",
        "response_mode": "query",
        "redirect_uri": "https://connect.larkspur.example/connect/return/main",
        "scope": "openid https://graph.microsoft.com/Mail.ReadWrite",
        "state": "the-state",
        "nonce": "the-nonce",
        "code_challenge": "the-challenge",
        "code_challenge_method": "S256",
    }


@pytest.mark.parametrize("prompt", ["consent", "create", "", "login consent"])
def test_a_prompt_that_locks_people_out_is_never_sent(prompt: str) -> None:
    with pytest.raises(ValueError, match="never sent"):
        authorize(prompt=prompt)


def test_a_fresh_sign_in_is_asked_for_by_age_and_mfa_by_context() -> None:
    query = parse_qs(urlsplit(authorize(most_age_seconds=300, authentication_context="c3")).query)
    assert query["max_age"] == ["300"]
    assert json.loads(query["claims"][0]) == {"id_token": {"acrs": {"essential": True, "value": "c3"}}}


def test_a_hint_is_left_out_beside_the_account_picker() -> None:
    assert "login_hint" not in authorize(prompt="select_account", login_hint="tom@hv.example")
    assert "login_hint=tom%40hv.example" in authorize(login_hint="tom@hv.example")


@pytest.mark.parametrize("authority", ["common", "consumers", "harbourvale.example", "..", "a/b", ""])
def test_only_a_directory_id_or_organizations_is_an_authority(authority: str) -> None:
    with pytest.raises(ValueError, match="authority"):
        authorize(authority=authority)
    with pytest.raises(ValueError, match="authority"):
        urls.token_url(CLOUDS["global"], authority)


def test_admin_consent_goes_to_the_v2_page() -> None:
    url = urls.admin_consent_url(
        CLOUDS["global"],
        client_id="4f6c1d0e",
        authority=TENANT,
        redirect_uri="https://connect.larkspur.example/admin-consent/return/main",
        scopes=SCOPES,
        state="the-state",
    )
    parts = urlsplit(url)
    assert parts.path == f"/{TENANT}/v2.0/adminconsent"
    query = parse_qs(parts.query)
    assert set(query) == {"client_id", "redirect_uri", "scope", "state"}
    assert query["scope"] == [" ".join(SCOPES)]


def test_national_clouds_have_their_own_hosts_and_resources() -> None:
    china = CLOUDS["china"]
    assert china.issuer(TENANT) == f"https://login.partner.microsoftonline.cn/{TENANT}/v2.0"
    assert urls.wire_scopes(china, SCOPES) == (
        "openid",
        "https://microsoftgraph.chinacloudapi.cn/Mail.ReadWrite",
        "https://partner.outlook.cn/EWS.AccessAsUser.All",
    )
    assert urls.wire_scopes(CLOUDS["global"], SCOPES) == SCOPES


def test_development_may_replace_hosts_but_not_resources() -> None:
    cloud = resolve_cloud("global", login_url="http://127.0.0.1:8025/", graph_url="http://127.0.0.1:8025")
    assert cloud.issuer(TENANT) == f"http://127.0.0.1:8025/{TENANT}/v2.0"
    assert cloud.login_host == "127.0.0.1:8025"
    assert urls.wire_scopes(cloud, SCOPES) == SCOPES
    with pytest.raises(Misconfigured):
        resolve_cloud("mars")
