"""Approval requests: one per organization and method, which colleagues join; everyone hears of the answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from ostiary.core.approvals.forms import clean_address, clean_reason
from ostiary.core.approvals.machine import TRANSITIONS, RequestClosed, move
from ostiary.core.approvals.model import OPEN_STATES, ApprovalRequest, ApprovalRequestState
from ostiary.core.approvals.service import ApprovalService
from ostiary.core.audit.model import SYSTEM
from ostiary.core.kernel.access_method import AccessMethod
from ostiary.core.kernel.clock import MovableClock
from ostiary.core.kernel.errors import InvalidRequest, NotFound
from ostiary.core.kernel.secret import Secret

from .conftest import World

GRAPH = AccessMethod.GRAPH
BROWSERS = {name: Secret(f"browser of {name} " * 3) for name in ("mem_1", "mem_2")}


@pytest.fixture
def service(make_world: Callable[..., World]) -> ApprovalService:
    """Without mail: what people do by themselves."""
    return make_world(mail=False).approvals


async def ask(service: ApprovalService, member_id: str = "mem_1", **options: object) -> ApprovalRequest:
    values: dict[str, object] = {
        "organization_id": "org_1",
        "member_id": member_id,
        "method": GRAPH,
        "mail": True,
        "calendar": True,
        "browser_secret": BROWSERS[member_id],
        "actor": SYSTEM,
    }
    return await service.ask(**(values | options))  # type: ignore[arg-type]


async def test_colleagues_join_the_one_request_of_their_organization(service: ApprovalService) -> None:
    first = await ask(service, "mem_1")
    second = await ask(service, "mem_2")
    assert first.id == second.id
    view = await service.view(first.id, browser_secret=BROWSERS["mem_2"], member_id=None)
    assert (view.waiting_count, view.member.id) == (2, "mem_2")


async def test_colleagues_who_ask_at_the_same_moment_share_one_request(service: ApprovalService) -> None:
    made = await asyncio.gather(*(ask(service, member) for member in ("mem_1", "mem_2") for _ in range(4)))
    assert len({request.id for request in made}) == 1
    view = await service.view(made[0].id, browser_secret=BROWSERS["mem_1"], member_id=None)
    assert view.waiting_count == 2


async def test_each_access_method_has_its_own_request(service: ApprovalService) -> None:
    graph = await ask(service)
    ews = await ask(service, method=AccessMethod.EWS)
    assert graph.id != ews.id
    assert await service.resolve(organization_id="org_1", method=GRAPH)
    states = {request.method: request.state for request in await service.list_for("org_1")}
    assert states == {
        GRAPH: ApprovalRequestState.APPROVED,
        AccessMethod.EWS: ApprovalRequestState.WAITING,
    }


async def test_only_those_who_wait_may_look_and_act(service: ApprovalService) -> None:
    request = await ask(service)
    stranger = Secret("browser of a stranger " * 3)
    for act in (
        service.view(request.id, browser_secret=stranger, member_id="mem_2"),
        service.view(request.id, browser_secret=None, member_id=None),
        service.view("apr_unknown", browser_secret=BROWSERS["mem_1"], member_id="mem_1"),
        service.remind(request.id, browser_secret=stranger, member_id=None, actor=SYSTEM),
        service.mark_sent(request.id, browser_secret=stranger, member_id=None, actor=SYSTEM),
        service.cancel(request.id, browser_secret=stranger, member_id=None, actor=SYSTEM),
    ):
        with pytest.raises(NotFound):
            await act


async def test_the_message_link_is_only_for_the_browser_that_made_it(service: ApprovalService) -> None:
    request = await ask(service)
    own = await service.view(request.id, browser_secret=BROWSERS["mem_1"], member_id=None)
    assert own.message_link is not None
    assert own.message_link.url.reveal().startswith("https://connect.example/admin-consent/l/")
    by_session = await service.view(request.id, browser_secret=BROWSERS["mem_2"], member_id="mem_1")
    assert by_session.message_link is None


async def test_a_member_who_could_connect_resolves_only_what_they_waited_for(
    service: ApprovalService,
) -> None:
    await ask(service, "mem_1")
    assert not await service.resolve(organization_id="org_1", method=GRAPH, member_id="mem_2")
    assert await service.resolve(organization_id="org_1", method=GRAPH, member_id="mem_1")
    assert not await service.resolve(organization_id="org_1", method=GRAPH)


async def test_leaving_keeps_the_request_for_the_others(service: ApprovalService) -> None:
    request = await ask(service, "mem_1")
    await ask(service, "mem_2")
    cancel = {"member_id": None, "actor": SYSTEM}
    assert not await service.cancel(request.id, browser_secret=BROWSERS["mem_1"], **cancel)
    assert await service.cancel(request.id, browser_secret=BROWSERS["mem_2"], **cancel)
    (only,) = await service.list_for("org_1")
    assert only.state is ApprovalRequestState.CANCELLED


async def test_an_overdue_request_reads_as_expired_and_is_not_joined(
    service: ApprovalService, clock: MovableClock
) -> None:
    old = await ask(service)
    clock.advance(timedelta(days=14))
    view = await service.view(old.id, browser_secret=BROWSERS["mem_1"], member_id=None)
    assert view.request.state is ApprovalRequestState.EXPIRED
    with pytest.raises(RequestClosed):
        await service.remind(old.id, browser_secret=BROWSERS["mem_1"], member_id=None, actor=SYSTEM)
    new = await ask(service)
    assert new.id != old.id
    assert await service.expire() == 0


async def test_the_job_ends_overdue_requests(service: ApprovalService, clock: MovableClock) -> None:
    await ask(service)
    clock.advance(timedelta(days=14) - timedelta(seconds=1))
    assert await service.expire() == 0
    clock.advance(timedelta(seconds=1))
    assert await service.expire() == 1


async def test_a_request_of_another_organizations_member_is_not_found(service: ApprovalService) -> None:
    with pytest.raises(NotFound):
        await ask(service, "mem_1", organization_id="org_2")


@pytest.mark.parametrize(
    "text", ["no at sign", "two@at@signs", "a@b c", "a b@c", "<x@y>", "x" * 65 + "@y", "@", "a@"]
)
def test_what_cannot_be_an_address_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest):
        clean_address(text)


def test_addresses_and_reasons_are_trimmed() -> None:
    assert clean_address("  priya.nair@harbourvale.example ") == "priya.nair@harbourvale.example"
    assert clean_address(" ") is None
    assert clean_reason(" I book\r\n meetings. ") == "I book meetings."
    assert clean_reason("x" * 280) == "x" * 280
    with pytest.raises(InvalidRequest):
        clean_reason("x" * 281)


@pytest.mark.parametrize("state", list(ApprovalRequestState))
@pytest.mark.parametrize("target", list(ApprovalRequestState))
def test_a_step_that_is_not_in_the_table_raises(
    state: ApprovalRequestState, target: ApprovalRequestState, clock: MovableClock
) -> None:
    request = ApprovalRequest(
        "apr_1", "AR-0000-0000", "org_1", GRAPH, state, "mem_1", "Tom Ellis", clock.now(), clock.now()
    )
    if target in TRANSITIONS.get(state, ()):
        moved = move(request, target, now=clock.now())
        assert moved == replace(
            request, state=target, resolved_at=None if target in OPEN_STATES else clock.now()
        )
    else:
        with pytest.raises(RequestClosed):
            move(request, target, now=clock.now())


def test_an_answer_is_final() -> None:
    assert set(TRANSITIONS) == set(OPEN_STATES)
