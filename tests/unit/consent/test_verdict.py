"""What an approval amounts to, from Microsoft's own answers alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from ostiary.core.consent.model import ConsentAttempt, ConsentState
from ostiary.core.consent.permissions import (
    missing_permissions,
    remaining_scopes,
    token_scopes,
    unexpected_permissions,
)
from ostiary.core.consent.verdict import CONSENTING_ROLES, Evidence, Verdict, judge
from ostiary.core.kernel.access_method import AccessMethod
from ostiary.core.signin.model import PERSONAL_ACCOUNTS_TENANT_ID, MicrosoftIdentity, SignedClaims
from ostiary.core.tenants.ports import DirectoryFacts

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
TENANT, OTHER = "9c2f0b7a-51de-4a66-8f3e-1d7a40e2b918", "22222222-aaaa-4bbb-8ccc-000000000002"
ALL = frozenset(token_scopes(AccessMethod.GRAPH))
SOME = ALL - {scope for scope in ALL if "Calendars" in scope}
A_ROLE = frozenset({next(iter(CONSENTING_ROLES))})
CLAIMS = SignedClaims(
    identity=MicrosoftIdentity("global", TENANT, "b57c40d8-3e96-4f1b-a2c7-0d84e6f39a03"),
    username="priya.nair@harbourvale.example",
    display_name="Priya Nair",
    issued_at=NOW,
)
ATTEMPT = ConsentAttempt(
    id="att_1",
    reference="CN-0000-0000",
    cloud="global",
    registration_id="main",
    method=AccessMethod.GRAPH,
    state=ConsentState.VERIFYING,
    browser_hash=b"",
    requested_scopes=(),
    created_at=NOW,
    updated_at=NOW,
)


def directory(roles: frozenset[str] = A_ROLE, *, unnamed: bool = False) -> DirectoryFacts:
    return DirectoryFacts(TENANT, "Harbour & Vale", ("harbourvale.example",), roles, unnamed)


def evidence(granted: frozenset[str] = ALL, **changes: object) -> Evidence:
    return replace(Evidence(CLAIMS, granted, directory()), **changes)  # type: ignore[arg-type]


def test_everything_granted_by_somebody_who_may_is_verified() -> None:
    assert judge(ATTEMPT, evidence()) == Verdict(ConsentState.VERIFIED)
    assert judge(ATTEMPT, evidence()).may_bind


@pytest.mark.parametrize("field", ["expected_tenant_id", "claimed_tenant_id"])
def test_another_directory_contradicts_and_letter_case_is_none(field: str) -> None:
    verdict = judge(replace(ATTEMPT, **{field: OTHER}), evidence())
    assert verdict == Verdict(ConsentState.CONTRADICTED, "wrong_tenant")
    assert not verdict.may_bind
    assert judge(replace(ATTEMPT, **{field: TENANT.upper()}), evidence()).state is ConsentState.VERIFIED


def test_personal_accounts_and_guests_are_refused_and_told_apart() -> None:
    personal = replace(CLAIMS, identity=MicrosoftIdentity("global", PERSONAL_ACCOUNTS_TENANT_ID, "x"))
    assert judge(ATTEMPT, evidence(claims=personal)) == Verdict(ConsentState.REFUSED, "personal_account")
    guest = replace(CLAIMS, is_guest=True)
    assert judge(ATTEMPT, evidence(claims=guest)) == Verdict(
        ConsentState.REFUSED, "personal_account", "guest"
    )


def test_a_short_grant_is_partial_and_an_empty_one_may_still_come() -> None:
    short = judge(ATTEMPT, evidence(SOME))
    assert short == Verdict(ConsentState.PARTIAL, "missing_permission")
    assert short.may_bind
    assert judge(ATTEMPT, evidence(frozenset())) == Verdict(ConsentState.VERIFYING, "not_confirmed")
    # The redirect named nothing of ours, so waiting would be in vain.
    named_none = replace(ATTEMPT, claimed_scopes=("openid",))
    assert judge(named_none, evidence(frozenset())) == Verdict(ConsentState.PARTIAL, "missing_permission")


def test_somebody_whose_roles_are_listed_and_none_may_is_no_administrator() -> None:
    other = evidence(directory=directory(frozenset({"a role"})))
    assert judge(ATTEMPT, other) == Verdict(ConsentState.REFUSED, "not_admin")
    assert judge(ATTEMPT, evidence(directory=directory(frozenset()))).state is ConsentState.VERIFIED
    assert judge(ATTEMPT, evidence(directory=None)).state is ConsentState.VERIFIED


def test_signed_role_claims_count_only_beside_a_role_without_a_name() -> None:
    claims = replace(CLAIMS, role_template_ids=A_ROLE)
    for roles, unnamed, counts in ((frozenset[str](), True, True), (frozenset[str](), False, False)):
        found = evidence(claims=claims, directory=directory(roles, unnamed=unnamed))
        assert found.has_consenting_role is counts
        assert not found.lacks_consenting_role
    assert not evidence(claims=claims, directory=None).has_consenting_role


@pytest.mark.parametrize(
    ("method", "host"),
    [
        (AccessMethod.GRAPH, "https://graph.microsoft.com"),
        (AccessMethod.EWS, "https://outlook.office365.com"),
    ],
)
def test_each_method_asks_and_counts_at_its_own_resource(method: AccessMethod, host: str) -> None:
    assert remaining_scopes(method)[-1] == f"{host}/.default"
    assert missing_permissions(method, token_scopes(method)) == ()
    assert {permission.resource for permission in missing_permissions(method, ())} == {host}
    assert missing_permissions(method, [scope.upper() for scope in token_scopes(method)]) == ()


def test_what_no_method_asks_for_is_unexpected() -> None:
    granted = [*ALL, "openid", "email", "https://graph.microsoft.com/Files.Read.All", "User.ReadWrite.All"]
    assert unexpected_permissions(granted) == ("Files.Read.All", "User.ReadWrite.All")
