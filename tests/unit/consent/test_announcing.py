"""Every change of state of a consent is told once, in the transaction that stores it."""

from __future__ import annotations

from ostiary.core.consent.model import ConsentState

from .conftest import Company


async def told(transactions, stream_id: str) -> list[tuple[str, str | None]]:
    async with transactions() as tx:
        events = await tx.feed.read(stream_id, after=0, limit=100)
    return [(event.type.value, event.data["reason"]) for event in events]


async def test_a_consent_tells_what_becomes_of_it(company: Company, tenant: str) -> None:
    await company.approve()
    (consent,) = await company.consents()
    del company.microsoft.principals[tenant]
    await company.consent.watch.check_tenant(cloud=consent.cloud, tenant_id=tenant)
    await company.consent.watch.check_tenant(cloud=consent.cloud, tenant_id=tenant)

    (withdrawn,) = await company.consents()
    assert withdrawn.state is ConsentState.WITHDRAWN
    assert await told(company.transactions, consent.organization_id) == [
        ("consent.verified", None),
        ("consent.withdrawn", "consent_withdrawn"),
    ]
