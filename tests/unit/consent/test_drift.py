"""What people's own tokens show of an approval is written down once, and only when it is news (SR-47)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from ostiary.core.consent.drift import note_drift
from ostiary.core.consent.model import Consent, ConsentState
from ostiary.core.kernel.access_method import AccessMethod

from .conftest import TENANT

if TYPE_CHECKING:
    Company = Any

HOUR = timedelta(hours=1)


async def seen(
    company: Company,
    to: ConsentState,
    *,
    at: datetime,
    reason: str | None = None,
    method: AccessMethod = AccessMethod.GRAPH,
) -> Consent | None:
    async with company.transactions() as transaction:
        return await note_drift(
            transaction, cloud="global", tenant_id=TENANT, method=method, to=to, reason=reason, seen_at=at
        )


async def test_a_withdrawal_is_noted_once_with_its_reason(company: Company) -> None:
    await company.approve()
    at = company.clock.now() + HOUR
    noted = await seen(company, ConsentState.WITHDRAWN, at=at, reason="consent_withdrawn")
    assert noted is not None
    (stored,) = await company.consents()
    assert (stored.state, stored.reason, stored.changed_at) == (
        ConsentState.WITHDRAWN,
        "consent_withdrawn",
        at,
    )
    assert stored.checked_at == at
    assert stored.verified_at != at
    assert await seen(company, ConsentState.WITHDRAWN, at=at + HOUR, reason="consent_withdrawn") is None
    (record,) = await company.audited("consent.withdrawn")
    assert (record.reason, record.object_id, record.organization_id, record.detail) == (
        "consent_withdrawn",
        stored.id,
        "org_hv",
        {"seen_by": "token"},
    )
    assert "Graph" in record.sentence


async def test_an_approval_newer_than_what_was_seen_stays(company: Company) -> None:
    await company.approve()
    before = company.clock.now() - timedelta(seconds=1)
    assert await seen(company, ConsentState.WITHDRAWN, at=before, reason="consent_withdrawn") is None
    (stored,) = await company.consents()
    assert stored.state is ConsentState.VERIFIED


async def test_a_change_newer_than_what_was_seen_stays(company: Company) -> None:
    await company.approve()
    at = company.clock.now() + 2 * HOUR
    await seen(company, ConsentState.PARTIAL, at=at, reason="missing_permission")
    assert await seen(company, ConsentState.VERIFIED, at=at - HOUR) is None


async def test_what_is_there_again_is_verified_by_the_token(company: Company) -> None:
    await company.approve()
    at = company.clock.now() + HOUR
    await seen(company, ConsentState.PARTIAL, at=at, reason="missing_permission")
    back = await seen(company, ConsentState.VERIFIED, at=at + HOUR)
    assert back is not None
    (stored,) = await company.consents()
    assert (stored.state, stored.reason, stored.verified_at, stored.verified_how) == (
        ConsentState.VERIFIED,
        None,
        at + HOUR,
        "token_scope",
    )
    assert [record.what for record in await company.audited("consent.back")] == ["consent.back"]
    assert [record.what for record in await company.audited("consent.partial")] == ["consent.partial"]


@pytest.mark.parametrize("to", [ConsentState.WITHDRAWN, ConsentState.PARTIAL, ConsentState.VERIFIED])
async def test_nothing_is_noted_of_what_nobody_approved(company: Company, to: ConsentState) -> None:
    await company.approve()
    at = company.clock.now() + HOUR
    assert await seen(company, to, at=at, method=AccessMethod.EWS) is None
    assert await company.audited("consent.withdrawn") == []


async def test_what_was_seen_at_the_moment_of_the_last_change_counts(company: Company) -> None:
    await company.approve()
    assert await seen(company, ConsentState.WITHDRAWN, at=company.clock.now(), reason="consent_withdrawn")
