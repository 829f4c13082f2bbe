"""SIGKILL at each step of an approval's return: bound whole or not at all, and the way goes on (RR-8)."""

from __future__ import annotations

import contextlib

import httpx
import pytest

from ostiary.core.kernel.failpoints import Failpoint

from .conftest import KILLS, steps
from .oracle import Oracle
from .people import CarefulBrowser, Crowd, Customer
from .processes import Served

BEFORE_COMMIT = (
    Failpoint.CONSENT_RECEIVED,
    Failpoint.CONSENT_STATE_CONSUMED,
    Failpoint.TOKEN_REQUEST_SENT,
    Failpoint.TOKEN_RESPONSE_READ,
    Failpoint.CONSENT_ID_TOKEN_VERIFIED,
    Failpoint.CONSENT_EVIDENCE_FETCHED,
    Failpoint.CONSENT_BINDING_WRITTEN,
)
AFTER_COMMIT = (Failpoint.CONSENT_BINDING_COMMITTED, Failpoint.CONSENT_RESPONSE_SENT)
SAMPLE = (Failpoint.TOKEN_REQUEST_SENT, Failpoint.CONSENT_BINDING_WRITTEN, Failpoint.CONSENT_RESPONSE_SENT)


async def what_is_bound(oracle: Oracle, customer: Customer) -> tuple[int, int, int, int, int]:
    """Bound directories, standing approvals, attempts that succeeded, links used up, records of approvals."""
    organization_id = customer.organization.id
    return (
        await oracle.value(
            "SELECT count(*) FROM tenants WHERE organization_id = :o AND binding = 'bound'", o=organization_id
        ),
        await oracle.value(
            "SELECT count(*) FROM consents WHERE organization_id = :o AND state = 'verified'",
            o=organization_id,
        ),
        await oracle.value(
            "SELECT count(*) FROM consent_attempts WHERE organization_id = :o AND state = 'verified'",
            o=organization_id,
        ),
        await oracle.value(
            "SELECT count(*) FROM admin_consent_links WHERE organization_id = :o AND used_at IS NOT NULL",
            o=organization_id,
        ),
        await oracle.value(
            "SELECT count(*) FROM audit_records WHERE organization_id = :o AND what = 'consent.verified'",
            o=organization_id,
        ),
    )


NOTHING, WHOLE = (0, 0, 0, 0, 0), (1, 1, 1, 1, 1)


def brings_a_code(url: str) -> bool:
    return "/admin-consent/return/" in url and "code=" in url


async def killed_at(
    point: Failpoint, crowd: Crowd, served: Served, customer: Customer
) -> tuple[CarefulBrowser, str, str]:
    """Walk to the deciding return and let the process die there; it runs again afterwards."""
    browser = crowd.browser()
    link = await crowd.approval_link(customer)
    address = await browser.until(brings_a_code, crowd.go_and_approve(browser, link, customer))
    served.folder.arm(point)
    # What the person sees: the connection broke, or, after the answer was sent, the next page is missing.
    with contextlib.suppress(httpx.TransportError):
        await browser.open(address)
    await served.died()
    await served.start()
    return browser, link, address


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("point", steps(BEFORE_COMMIT, SAMPLE[:2]))
async def test_killed_before_the_commit_nothing_is_bound_and_the_same_link_still_works(
    point: Failpoint, crowd: Crowd, served: Served, oracle: Oracle
) -> None:
    for _ in range(KILLS or 1):
        customer = await crowd.customer()
        browser, link, address = await killed_at(point, crowd, served, customer)
        assert await what_is_bound(oracle, customer) == NOTHING
        page = await browser.open(address)
        assert page.status == 200
        if point is Failpoint.CONSENT_RECEIVED:
            # Nothing had been used up: the reload itself completes.
            assert page.path.startswith("/admin-consent/done/")
        else:
            assert await what_is_bound(oracle, customer) == NOTHING
            page = await crowd.go_and_approve(browser, link, customer)
            assert page.path.startswith("/admin-consent/done/"), page.url
        assert await what_is_bound(oracle, customer) == WHOLE
    oracle.require_no_code_twice()
    await oracle.require_whole_chain()


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("point", steps(AFTER_COMMIT, SAMPLE[2:]))
async def test_killed_after_the_commit_all_is_bound_and_a_reload_shows_it(
    point: Failpoint, crowd: Crowd, served: Served, oracle: Oracle
) -> None:
    for _ in range(KILLS or 1):
        customer = await crowd.customer()
        browser, _, address = await killed_at(point, crowd, served, customer)
        assert await what_is_bound(oracle, customer) == WHOLE
        page = await browser.open(address)
        assert page.status == 200
        assert page.path.startswith("/admin-consent/done/")
        assert await what_is_bound(oracle, customer) == WHOLE
    oracle.require_no_code_twice()
    await oracle.require_whole_chain()
