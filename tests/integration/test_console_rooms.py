"""The operator's figures, an organization's settings, and what admins do about approval requests."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from datetime import date, timedelta

import httpx
import pytest
import pytest_asyncio
from lxml import html

from ostiary.bootstrap import Services, application
from ostiary.core.approvals.model import ApprovalRequestState
from ostiary.core.audit.model import SYSTEM
from ostiary.core.connections.figures import EWSExposure
from ostiary.core.kernel.access_method import AccessMethod
from ostiary.core.kernel.clock import MovableClock
from ostiary.core.kernel.secret import Secret
from ostiary.entrypoints.web.app import create_app
from ostiary.settings import Settings

from .console_world import Customer, make_customer
from .test_console_pages import SITE, Person

OpenAs = Callable[[Secret | None], AbstractAsyncContextManager[Person]]


@pytest_asyncio.fixture
async def running(settings: Settings, clock: MovableClock) -> AsyncIterator[Services]:
    async with application(settings, clock=clock) as services:
        yield services


@pytest.fixture
def open_as(running: Services) -> OpenAs:
    app = create_app(running)

    @asynccontextmanager
    async def opened(session: Secret | None) -> AsyncIterator[Person]:
        transport = httpx.ASGITransport(app, client=("192.0.2.7", 5000))
        async with httpx.AsyncClient(transport=transport, base_url=SITE) as client:
            yield Person(client, session)

    return opened


@pytest_asyncio.fixture
async def harbour(running: Services) -> Customer:
    return await make_customer(running, "hv", "Harbour & Vale", "Dana Okafor")


@pytest_asyncio.fixture
async def operator(running: Services) -> Secret:
    link = await running.access.ensure_first_operator()
    assert link is not None
    return (await running.access.use_operator_link(link, replaces=None, actor=SYSTEM)).secret


async def put_on_ews(running: Services, customer: Customer, *numbers: int) -> None:
    async with running.transactions() as transaction:
        for number in numbers:
            await transaction.connections.save(replace(customer.connections[number], method=AccessMethod.EWS))


def rows(text: str) -> list[list[str]]:
    """The cells of every table row of a page."""
    page = html.fromstring(text)
    return [
        [" ".join(cell.text_content().split()) for cell in row.xpath("./th | ./td")]
        for row in page.xpath("//tbody/tr")
    ]


async def test_exposure_counts_mailboxes_still_on_ews_by_directory(
    open_as: OpenAs, running: Services, harbour: Customer, operator: Secret
) -> None:
    await make_customer(running, "other-company", "Other Company", "Other Admin")
    # Connected, needs sign-in, failing; the disconnected one does not count.
    await put_on_ews(running, harbour, 0, 1, 2, 4)
    async with open_as(operator) as vik:
        answer = await vik.open("/operator/ews")
    assert rows(answer.text) == [["Harbour & Vale", "Harbour & Vale main", "3", "1", "12", "In time"]]
    assert "3 mailboxes are still on it" in answer.text


@pytest.mark.parametrize(
    ("on_ews", "moved", "today", "weeks", "at_risk"),
    [
        (3, 1, date(2026, 11, 24), 12, False),
        (10, 4, date(2026, 11, 24), 10, False),
        (14, 4, date(2026, 11, 24), 14, True),
        (1, 0, date(2026, 11, 24), None, True),
        (1, 4, date(2027, 2, 23), 1, True),
    ],
)
def test_a_move_is_at_risk_when_it_ends_after_february(
    on_ews: int, moved: int, today: date, weeks: int | None, at_risk: bool
) -> None:
    exposure = EWSExposure("org_1", "Harbour & Vale", "t", "Harbour & Vale", on_ews, moved)
    assert (exposure.weeks_needed, exposure.is_at_risk(today)) == (weeks, at_risk)


async def test_failures_are_ranked_by_this_week_and_compared_with_last(
    open_as: OpenAs, running: Services, clock: MovableClock
) -> None:
    async def fail(reason: str, times: int) -> None:
        async with running.transactions() as transaction:
            for _ in range(times):
                await transaction.audit.record(
                    "connect.refused", "Somebody was stopped.", actor=SYSTEM, outcome="refused", reason=reason
                )

    await fail("mailbox_missing", 3)
    clock.advance(timedelta(days=8))
    await fail("mailbox_missing", 1)
    await fail("not_admin", 2)
    async with open_as(await again(running)) as vik:
        found = rows((await vik.open("/operator/failures")).text)
    assert [row[1:3] for row in found] == [["2", "0"], ["1", "3"]]
    assert found[0][0].endswith("not_admin")
    assert found[1][0].endswith("mailbox_missing")
    clock.advance(timedelta(days=15))
    async with open_as(await again(running)) as vik:
        assert "Nothing stopped anybody" in (await vik.open("/operator/failures")).text


async def again(running: Services) -> Secret:
    """Sign an operator in anew: the session of a fortnight ago is over."""
    _, secret = await running.access.create_operator_link(name="Vik", actor=SYSTEM)
    return (await running.access.use_operator_link(secret, replaces=None, actor=SYSTEM)).secret


async def test_apps_show_what_to_register_and_when_credentials_end(open_as: OpenAs, operator: Secret) -> None:
    async with open_as(operator) as vik:
        text = html.fromstring((await vik.open("/operator/apps")).text).text_content()
    assert "4f6c1d0e-7b52-4c1b-9a55-20d1b6f0c3aa" in text
    for page in ("admin-consent", "connect", "console", "trust"):
        assert f"http://localhost:8080/{page}/return/main" in text
    assert "End not known here" in text
    assert "a secret for tests" not in text


async def test_connections_are_narrowed_to_one_method(
    open_as: OpenAs, running: Services, harbour: Customer
) -> None:
    await put_on_ews(running, harbour, 0)
    async with open_as(harbour.session) as dana:
        over_ews = await dana.open("/console/connections?method=ews")
        overview = await dana.open("/console")
        wrong = await dana.open("/console/connections?method=imap")
    assert [row[0] for row in rows(over_ews.text) if "Graph" not in row and "EWS" in row] != []
    assert harbour.connections[0].address in over_ews.text
    assert harbour.connections[1].address not in over_ews.text
    assert 'href="/console/connections?method=ews"' in overview.text
    assert wrong.status_code in (400, 404, 422)


async def test_the_it_contact_is_kept_and_a_wrong_one_refused(
    open_as: OpenAs, running: Services, harbour: Customer
) -> None:
    async with open_as(harbour.session) as dana:
        saved = await dana.send(
            "/console/settings/contact", {"name": "Priya Nair", "email": "priya.nair@hv.example"}
        )
        assert saved.headers["location"] == "/console/settings?saved=1"
        wrong = await dana.send("/console/settings/contact", {"name": "Priya Nair", "email": "nobody"})
        assert wrong.status_code == 400
        assert 'value="nobody"' in wrong.text
    found = await running.organizations.get(harbour.organization.id)
    assert (found.it_contact_name, found.it_contact_email) == ("Priya Nair", "priya.nair@hv.example")


async def test_an_operator_who_looks_can_change_no_setting(
    open_as: OpenAs, harbour: Customer, operator: Secret
) -> None:
    async with open_as(operator) as vik:
        await vik.send(f"/operator/customers/{harbour.organization.id}/view", {"reason": "a question"})
        assert "Save" not in (await vik.open("/console/settings")).text
        refused = await vik.send("/console/settings/contact", {"email": "vik@larkspur.example"})
        assert refused.status_code == 403
        path = f"/console/requests/{harbour.request.id}"
        for action in ("remind", "send-to", "approved-elsewhere"):
            assert (
                await vik.send(f"{path}/{action}", {"administrator_email": "a@b.example"})
            ).status_code == 403


async def test_a_request_is_sent_to_someone_else(
    open_as: OpenAs, running: Services, harbour: Customer
) -> None:
    path = f"/console/requests/{harbour.request.id}"
    async with open_as(harbour.session) as dana:
        wrong = await dana.send(f"{path}/send-to", {"administrator_email": "nobody"})
        assert "Enter the administrator’s email address" in (await dana.open(wrong.headers["location"])).text
        answer = await dana.send(f"{path}/send-to", {"administrator_email": "sam@hv.example"})
        shown = await dana.open(answer.headers["location"])
    # Without a mail server nothing is claimed to be sent.
    assert "No mail is sent from here" in shown.text
    async with running.transactions() as transaction:
        request = await transaction.approval_requests.get(
            harbour.request.id, organization_id=harbour.organization.id
        )
    assert (request.sent_to, request.state) == ("sam@hv.example", ApprovalRequestState.WAITING)


async def test_a_reminder_that_cannot_be_sent_says_so(open_as: OpenAs, harbour: Customer) -> None:
    path = f"/console/requests/{harbour.request.id}"
    async with open_as(harbour.session) as dana:
        answer = await dana.send(f"{path}/remind")
        assert "No reminder could be sent" in (await dana.open(answer.headers["location"])).text


async def test_a_request_is_marked_as_approved_elsewhere_once(
    open_as: OpenAs, running: Services, harbour: Customer
) -> None:
    path = f"/console/requests/{harbour.request.id}"
    async with open_as(harbour.session) as dana:
        answer = await dana.send(f"{path}/approved-elsewhere")
        shown = await dana.open(answer.headers["location"])
        assert "Marked as approved." in shown.text
        assert "What you can do" not in shown.text
        twice = await dana.send(f"{path}/approved-elsewhere")
        assert twice.headers["location"].endswith("problem=closed")
    async with running.transactions() as transaction:
        page = await transaction.audit.page(
            organization_id=harbour.organization.id, what_prefix="approval.marked_approved"
        )
    (record,) = page.items
    assert record.actor.name == "Dana Okafor"


async def test_another_organizations_request_cannot_be_touched(
    open_as: OpenAs, running: Services, harbour: Customer
) -> None:
    other = await make_customer(running, "other-company", "Other Company", "Other Admin")
    path = f"/console/requests/{harbour.request.id}"
    async with open_as(other.session) as other_admin:
        for action in ("remind", "send-to", "approved-elsewhere"):
            answer = await other_admin.send(f"{path}/{action}", {"administrator_email": "a@b.example"})
            assert answer.status_code == 404
