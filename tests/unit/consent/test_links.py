"""Links for IT administrators: rows, three days, one browser, one use (SR-67, SR-69)."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text

from ostiary.core.audit.model import SYSTEM
from ostiary.core.consent.links import MOST_LIVE_LINKS
from ostiary.core.kernel.access_method import AccessMethod
from ostiary.core.kernel.errors import InvalidRequest, NotFound, PermissionDenied
from ostiary.core.kernel.secret import Secret

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

    Company = Any

OTHER = Secret("browser-of-somebody-else")


async def opens(company: Company, browser: Secret) -> bool:
    preview = await company.consent.links.preview(link_secret=company.link_secret, browser_secret=browser)
    return preview is not None


async def test_a_link_opens_the_page_of_its_organization_and_opening_changes_nothing(
    company: Company, database: AsyncEngine
) -> None:
    async def rows() -> list[str]:
        async with database.connect() as connection:
            found = await connection.execute(text("SELECT l::text FROM admin_consent_links l"))
            return list(found.scalars())

    before = await rows()
    for _ in range(3):
        preview = await company.consent.links.preview(
            link_secret=company.link_secret, browser_secret=company.browser
        )
        assert preview is not None
        assert preview.organization.name == "Harbour & Vale"
        assert preview.link.asked_by_name == "Dana Okafor"
    assert await rows() == before


async def test_the_secret_is_stored_nowhere(company: Company, database: AsyncEngine) -> None:
    secret = company.link_secret.reveal()
    assert len(secret) == 43
    async with database.connect() as connection:
        for table in ("admin_consent_links", "audit_records"):
            for row in (await connection.execute(text(f"SELECT t::text FROM {table} t"))).scalars():
                assert secret not in row


@pytest.mark.parametrize("guess", ["", "x", "A" * 43, "A" * 10_000, "mistyped"])
async def test_a_link_nobody_made_opens_nothing(company: Company, guess: str) -> None:
    found = await company.consent.links.preview(link_secret=Secret(guess), browser_secret=company.browser)
    assert found is None


async def test_a_link_ends_after_three_days(company: Company) -> None:
    company.clock.advance(timedelta(hours=72) - timedelta(seconds=1))
    assert await opens(company, company.browser)
    company.clock.advance(timedelta(seconds=1))
    assert not await opens(company, company.browser)


async def test_the_first_browser_that_starts_keeps_the_link(company: Company) -> None:
    assert await opens(company, OTHER)
    await company.start()
    assert await opens(company, company.browser)
    assert not await opens(company, OTHER)
    with pytest.raises(NotFound) as refusal:
        await company.consent.start(
            AccessMethod.GRAPH,
            browser_secret=OTHER,
            link_secret=company.link_secret,
            actor=company.visitor,
        )
    assert refusal.value.reason == "link_expired"


async def test_a_used_link_is_over_for_everybody_but_the_browser_that_used_it(company: Company) -> None:
    await company.approve()
    assert not await opens(company, OTHER)
    # It may approve the other method, too.
    assert await opens(company, company.browser)
    await company.approve(AccessMethod.EWS)
    company.clock.advance(timedelta(hours=72))
    assert not await opens(company, company.browser)


async def test_a_failed_attempt_does_not_use_the_link_up(company: Company) -> None:
    url = await company.start()
    await company.come_back(
        company.microsoft.refuse(url, "access_denied", error_description="AADSTS65004: no")
    )
    assert await opens(company, company.browser)
    assert (await company.approve()).state == "verified"


async def test_a_withdrawn_link_opens_nothing_anywhere(company: Company) -> None:
    await company.start()
    await company.consent.links.withdraw(
        company.link.link.id, organization_id=company.organization.id, actor=company.visitor
    )
    assert not await opens(company, company.browser)
    assert await company.consent.links.live(company.organization.id) == ()


async def test_a_link_of_another_organization_cannot_be_withdrawn(company: Company) -> None:
    with pytest.raises(NotFound):
        await company.consent.links.withdraw(
            company.link.link.id, organization_id="org_other", actor=company.visitor
        )
    assert await opens(company, company.browser)


async def test_declining_ends_the_link_and_tells_those_who_wait(company: Company) -> None:
    await company.consent.links.decline(
        link_secret=company.link_secret,
        browser_secret=company.browser,
        reason="  We use\nanother tool.  ",
        actor=company.visitor,
    )
    assert not await opens(company, company.browser)
    async with company.transactions() as transaction:
        link = await transaction.admin_consent_links.get(company.link.link.id)
    assert link.decline_reason == "We use another tool."
    assert await company.queued() == ["approvals.decline"]
    with pytest.raises(NotFound):
        await company.consent.links.decline(
            link_secret=company.link_secret,
            browser_secret=company.browser,
            reason="",
            actor=company.visitor,
        )


async def test_a_note_of_more_than_280_characters_is_sent_back(company: Company) -> None:
    with pytest.raises(InvalidRequest):
        await company.consent.links.decline(
            link_secret=company.link_secret,
            browser_secret=company.browser,
            reason="x" * 281,
            actor=company.visitor,
        )
    assert await opens(company, company.browser)


async def test_a_link_to_pass_on_is_new_and_readable_by_its_maker_only(company: Company) -> None:
    made = await company.consent.links.pass_on(
        link_secret=company.link_secret, browser_secret=company.browser, actor=company.visitor
    )
    assert made.link.id != company.link.link.id
    again = await company.consent.links.read_again(made.link.reference, browser_secret=company.browser)
    assert again is not None
    assert again.url == made.url
    assert await company.consent.links.read_again(made.link.reference, browser_secret=OTHER) is None
    # A link from the console was never this browser's.
    known = company.link.link.reference
    assert await company.consent.links.read_again(known, browser_secret=company.browser) is None


async def test_links_cannot_be_made_without_end(company: Company) -> None:
    for _ in range(MOST_LIVE_LINKS - 1):
        await company.consent.links.create(
            organization_id=company.organization.id, asked_by_name="Dana Okafor", actor=SYSTEM
        )
    with pytest.raises(PermissionDenied):
        await company.consent.links.pass_on(
            link_secret=company.link_secret, browser_secret=company.browser, actor=company.visitor
        )


async def test_a_link_is_never_printed(company: Company) -> None:
    assert company.link_secret.reveal() not in repr(company.link)


async def test_the_address_for_a_mail_is_given_only_while_the_link_works(company: Company) -> None:
    links = company.consent.links
    assert await links.address_of("lnk_never_heard_of") is None
    address = await links.address_of(company.link.link.id)
    assert address == company.link.url
    await links.withdraw(company.link.link.id, organization_id=company.organization.id, actor=company.visitor)
    assert await links.address_of(company.link.link.id) is None


async def test_withdrawing_twice_is_one_act(company: Company) -> None:
    for _ in range(2):
        await company.consent.links.withdraw(
            company.link.link.id, organization_id=company.organization.id, actor=company.visitor
        )
    assert len(await company.audited("consent.link_withdrawn")) == 1


async def test_an_endless_secret_is_not_even_looked_for(company: Company) -> None:
    async with company.transactions() as transaction:
        found = await company.consent.links.find_usable(transaction, Secret("x" * 10_000), company.browser)
    assert found is None
