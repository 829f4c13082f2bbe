"""The password grant: for managed accounts without a second step only."""

from __future__ import annotations

from typing import Any

import pytest

from browsing import Browser
from m365_emulator.pytest_plugin import RunningEmulator
from sample import GRAPH_SCOPE, HARBOUR, TOM, App, aadsts, claims_of

FORM = {"grant_type": "password", "username": TOM, "password": "emulator", "scope": GRAPH_SCOPE}


@pytest.fixture
def approved(browser: Browser, app: App) -> App:
    """The app, approved in Harbour & Vale."""
    app.approve(browser)
    return app


@pytest.mark.parametrize("authority", ["organizations", HARBOUR])
def test_a_person_gets_tokens_that_can_be_refreshed(approved: App, authority: str) -> None:
    answer = approved.token(authority, **FORM).json()

    claims = claims_of(answer["access_token"])
    assert (claims["upn"], claims["tid"]) == (TOM, HARBOUR)
    assert claims_of(answer["id_token"])["preferred_username"] == TOM
    refreshed = approved.token(
        authority, grant_type="refresh_token", refresh_token=answer["refresh_token"], scope=GRAPH_SCOPE
    )
    assert refreshed.status_code == 200


@pytest.mark.parametrize(
    ("change", "number"),
    [
        ({"username": "nobody@harbourvale.example"}, 50034),
        ({"username": ""}, 900144),
        ({"password": ""}, 900144),
        ({"scope": ""}, 900144),
        ({"scope": "Calendars.Read.Shared"}, 65001),
    ],
)
def test_what_is_missing_or_not_granted_is_told(approved: App, change: dict[str, str], number: int) -> None:
    assert aadsts(approved.token("organizations", **(FORM | change))) == number


def test_the_authority_must_name_an_organization(approved: App) -> None:
    assert aadsts(approved.token("common", **FORM)) == 9001023


@pytest.mark.parametrize(
    ("policy", "number"),
    [
        ({"wrong_password": True}, 50126),
        ({"mfa_required": True}, 50076),
        ({"sign_in_blocked": True}, 53003),
        ({"app_disabled": True}, 7000112),
        ({"token_error": 50196}, 50196),
    ],
)
def test_policies_of_the_tenant_hold_here_too(
    m365_emulator: RunningEmulator, approved: App, policy: dict[str, Any], number: int
) -> None:
    m365_emulator.control("PATCH", f"/tenants/{HARBOUR}/policies", policy)
    assert aadsts(approved.token("organizations", **FORM)) == number
