"""Discovery documents."""

from __future__ import annotations

import httpx
import jwt
import pytest

from browsing import Browser
from m365_emulator.pytest_plugin import RunningEmulator
from sample import HARBOUR, TOM, App, claims_of


def get(emulator: RunningEmulator, path: str, base: str | None = None) -> httpx.Response:
    return httpx.get((base or emulator.http_url) + path, timeout=10, trust_env=False, verify=False)


@pytest.mark.parametrize("name", [HARBOUR, "harbourvale.example", "HarbourVale.Example"])
def test_metadata_of_a_tenant_names_its_guid_whatever_was_asked(
    m365_emulator: RunningEmulator, name: str
) -> None:
    document = get(m365_emulator, f"/{name}/v2.0/.well-known/openid-configuration").json()

    assert document["issuer"] == f"{m365_emulator.http_url}/{HARBOUR}/v2.0"
    assert document["token_endpoint"] == f"{m365_emulator.http_url}/{HARBOUR}/oauth2/v2.0/token"
    assert document["tenant_region_scope"] == "EU"


@pytest.mark.parametrize("name", ["common", "organizations"])
def test_metadata_of_many_tenants_has_a_template_as_issuer(m365_emulator: RunningEmulator, name: str) -> None:
    document = get(m365_emulator, f"/{name}/v2.0/.well-known/openid-configuration").json()

    assert document["issuer"] == f"{m365_emulator.http_url}/{{tenantid}}/v2.0"
    assert document["authorization_endpoint"].endswith(f"/{name}/oauth2/v2.0/authorize")
    assert document["tenant_region_scope"] is None


def test_metadata_keeps_pkce_and_revocation_unmentioned(m365_emulator: RunningEmulator) -> None:
    document = get(m365_emulator, "/common/v2.0/.well-known/openid-configuration").json()

    assert not {"code_challenge_methods_supported", "revocation_endpoint", "introspection_endpoint"} & set(
        document
    )


def test_repeated_slashes_are_folded(m365_emulator: RunningEmulator) -> None:
    assert get(m365_emulator, "/common//v2.0/.well-known/openid-configuration").status_code == 200


def test_unknown_tenant_is_invalid_tenant(m365_emulator: RunningEmulator) -> None:
    answer = get(m365_emulator, "/nobody.example/v2.0/.well-known/openid-configuration")

    assert answer.status_code == 400
    assert answer.json()["error"] == "invalid_tenant"
    assert answer.json()["error_codes"] == [90002]


def test_addresses_follow_scheme_and_host_of_the_request(m365_emulator: RunningEmulator) -> None:
    document = get(
        m365_emulator, "/common/v2.0/.well-known/openid-configuration", m365_emulator.https_url
    ).json()

    assert document["token_endpoint"].startswith(m365_emulator.https_url)


def test_keys_verify_an_id_token_and_outlive_a_roll(
    m365_emulator: RunningEmulator, browser: Browser, app: App
) -> None:
    app.approve(browser)
    token = app.tokens_for(browser, TOM)["id_token"]
    m365_emulator.control("POST", "/keys/roll")

    published = get(m365_emulator, f"/{HARBOUR}/discovery/v2.0/keys").json()["keys"]

    kid = jwt.get_unverified_header(token)["kid"]
    entry = next(key for key in published if key["kid"] == kid)
    claims = jwt.decode(token, jwt.PyJWK(entry, "RS256").key, ["RS256"], audience=app.client_id)
    assert claims["iss"] == entry["issuer"]
    assert len(published) == 3
    assert all({"kty", "use", "kid", "x5t", "n", "e", "x5c", "issuer"} == set(key) for key in published)
    new_token = app.tokens_for(browser, TOM)["id_token"]
    assert jwt.get_unverified_header(new_token)["kid"] in {key["kid"] for key in published} - {kid}


def test_instance_discovery_lists_its_own_host(m365_emulator: RunningEmulator) -> None:
    host = m365_emulator.https_url.removeprefix("https://")
    asked = f"https://{host}/common/oauth2/v2.0/authorize"
    path = f"/common/discovery/instance?api-version=1.1&authorization_endpoint={asked}"

    document = get(m365_emulator, path, m365_emulator.https_url).json()

    assert any(host in entry["aliases"] for entry in document["metadata"])
    assert document["tenant_discovery_endpoint"].startswith(m365_emulator.https_url)


def test_instance_discovery_refuses_unknown_authorities(m365_emulator: RunningEmulator) -> None:
    path = "/common/discovery/instance?api-version=1.0&authorization_endpoint=https://login.evil.example/x"

    assert get(m365_emulator, path).json()["error"] == "invalid_instance"


def test_userinfo_needs_a_graph_token_with_openid(
    m365_emulator: RunningEmulator, browser: Browser, app: App
) -> None:
    app.approve(browser)
    token = app.tokens_for(browser, TOM)["access_token"]
    url = m365_emulator.http_url + "/oidc/userinfo"

    told = httpx.get(url, headers={"authorization": f"Bearer {token}"}, trust_env=False)

    assert told.json()["name"] == "Tom Ellis"
    assert told.json()["sub"] != claims_of(app.tokens_for(browser, TOM)["id_token"])["sub"]
    assert httpx.get(url, trust_env=False).status_code == 401


def test_version_1_metadata_has_the_version_1_issuer(m365_emulator: RunningEmulator) -> None:
    document = get(m365_emulator, "/harbourvale.example/.well-known/openid-configuration").json()

    assert document["issuer"] == f"https://sts.windows.net/{HARBOUR}/"
    assert document["token_endpoint"] == f"{m365_emulator.http_url}/{HARBOUR}/oauth2/token"


def test_user_realm_tells_emulated_domains_from_others(m365_emulator: RunningEmulator) -> None:
    kinds = [
        get(m365_emulator, f"/common/userrealm/{address}?api-version=1.0").json()["account_type"]
        for address in (TOM, "somebody@nowhere.example")
    ]

    assert kinds == ["Managed", "Unknown"]


def test_error_page_explains_a_number(m365_emulator: RunningEmulator) -> None:
    assert "disabled" in get(m365_emulator, "/error?code=7000112").text
    assert get(m365_emulator, "/error?code=1").status_code == 404
