"""What exists and what never was look alike: in words, in work and, measured on demand, in time (SR-69).

Each door is asked for something that exists but is not this visitor's, or no longer works, and for something that never
was. In every run both answers and the SQL behind them are compared, which no slow machine can upset. ``TRIES=1000``
measures the time as well (`make figures`).
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import timedelta

import httpx
import pytest
import pytest_asyncio

from ostiary.bootstrap import Services, application
from ostiary.core.access.api_key import write_key
from ostiary.core.access.model import Permission
from ostiary.core.audit.model import SYSTEM
from ostiary.core.connections.trust import TRUST_SESSION_LIFE, TrustSession
from ostiary.core.consent.model import ConsentAttempt, ConsentState
from ostiary.core.kernel.access_method import AccessMethod
from ostiary.core.kernel.clock import MovableClock
from ostiary.core.kernel.ids import ReferenceKind, new_id, new_reference
from ostiary.core.kernel.secret import Secret
from ostiary.core.signin.derivation import secret_hash
from ostiary.entrypoints.console.sign_in import LINK_COOKIE
from ostiary.entrypoints.site.connect_cookie import COOKIE as CONNECT_COOKIE
from ostiary.entrypoints.site.link_cookie import COOKIE as APPROVAL_COOKIE
from ostiary.entrypoints.site.trust import COOKIE as TRUST_COOKIE
from ostiary.entrypoints.web.app import create_app
from ostiary.entrypoints.web.browser import COOKIE as BROWSER_COOKIE
from ostiary.entrypoints.web.permissions import SESSION_COOKIE
from ostiary.settings import Settings

from ..kill.conftest import LIMITED
from ..statements import recorded
from .console_world import Customer, make_customer
from .test_role_matrix import BROWSER_SECRET, ORIGIN, shape

TRIES = int(os.environ.get("TRIES", "0"))
MOST_MILLISECONDS = 5.0
OTHERS = Secret("o" * 43)
"""The secret of somebody else's browser."""
NO_SECRET = "u" * 43
NO_REFERENCE = "0000-0000"


@dataclass(frozen=True, slots=True)
class Question:
    """One request of a stranger, or of somebody who is signed in elsewhere."""

    path: str
    cookies: dict[str, str] = field(default_factory=dict)
    key: str | None = None

    @property
    def headers(self) -> dict[str, str]:
        kept = {BROWSER_COOKIE: BROWSER_SECRET} | self.cookies
        headers = {"cookie": "; ".join(f"{name}={value}" for name, value in kept.items())}
        return headers | ({} if self.key is None else {"authorization": f"Bearer {self.key}"})


@dataclass(frozen=True, slots=True)
class Door:
    """A page, asked for what exists and for what never was."""

    name: str
    existing: Question
    missing: Question


@pytest_asyncio.fixture
async def running(settings: Settings, clock: MovableClock) -> AsyncIterator[Services]:
    # Thousands of wrong guesses of one address are otherwise slowed down, whatever they hit.
    limits = {f"rate_limit_{what}": "off" for what in LIMITED} if TRIES else {}
    async with application(settings.model_copy(update=limits), clock=clock) as services:
        yield services


@pytest_asyncio.fixture
async def visitor(running: Services) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(create_app(running), client=("192.0.2.7", 5000))
    async with httpx.AsyncClient(transport=transport, base_url=ORIGIN) as opened:
        yield opened


@pytest_asyncio.fixture
async def doors(running: Services, clock: MovableClock) -> list[Door]:
    customer = await make_customer(running, "hv", "Harbour & Vale", "Dana Okafor")
    other = await make_customer(running, "other", "Other Company", "Sam")
    found = [
        *await approval_doors(running, customer),
        *await connect_doors(running, customer),
        *await sign_in_doors(running, customer),
    ]
    pages = (
        ("members", "mem", customer.people[0].id),
        ("connections", "cnn", customer.connections[0].id),
        ("requests", "apr", customer.request.id),
        ("approval", "ten", customer.bound.id),
    )
    inside = {SESSION_COOKIE: other.session.reveal()}
    for page, prefix, foreign in pages:
        path = f"/console/{page}/"
        found.append(
            Door(
                f"console {page} of another organization",
                Question(path + foreign, inside),
                Question(path + f"{prefix}_{'0' * 26}", inside),
            )
        )
    # Connect sessions end meanwhile, console sessions do not.
    clock.advance(timedelta(minutes=16))
    return found


async def approval_doors(running: Services, customer: Customer) -> list[Door]:
    organization_id = customer.organization.id
    withdrawn = await running.consent.links.create(
        organization_id=organization_id, asked_by_name="Dana Okafor", actor=SYSTEM
    )
    await running.consent.links.withdraw(withdrawn.link.id, organization_id=organization_id, actor=SYSTEM)
    taken = await running.consent.links.create(
        organization_id=organization_id, asked_by_name="Dana Okafor", actor=SYSTEM
    )
    attempt = ConsentAttempt(
        id=new_id("att", running.entropy),
        reference=new_reference(ReferenceKind.CONSENT, running.entropy),
        method=AccessMethod.GRAPH,
        state=ConsentState.REFUSED,
        created_at=running.clock.now(),
        updated_at=running.clock.now(),
        browser_hash=secret_hash(OTHERS),
        registration_id="main",
        cloud="global",
        requested_scopes=("Mail.Read",),
        organization_id=organization_id,
        reason="declined",
    )
    async with running.transactions() as tx:
        await tx.admin_consent_links.save(replace(taken.link, browser_hash=secret_hash(OTHERS)))
        await tx.consent_attempts.add(attempt)
    doors = [
        Door(
            f"approval link {what}: {path}",
            Question(path, {APPROVAL_COOKIE: issued.url.reveal().rpartition("/")[2]}),
            Question(path, {APPROVAL_COOKIE: NO_SECRET}),
        )
        for what, issued in (("withdrawn", withdrawn), ("of another browser", taken))
        for path in ("/admin-consent", "/admin-consent/forward", "/admin-consent/decline")
    ]
    paths = ("/admin-consent/checking/", "/admin-consent/done/", "/admin-consent/problem/", "/ref/")
    doors += [
        Door(
            f"approval of another browser: {path}",
            Question(path + attempt.reference),
            Question(path + f"CN-{NO_REFERENCE}"),
        )
        for path in paths
    ]
    request = customer.request.id
    doors += [
        Door(
            f"request of another browser: {end or '/'}",
            Question(f"/connect/approval/{request}{end}"),
            Question(f"/connect/approval/apr_{'0' * 26}{end}"),
        )
        for end in ("", "/other", "/live")
    ]
    return doors


async def connect_doors(running: Services, customer: Customer) -> list[Door]:
    over = await running.connections.sessions.create(
        organization_id=customer.organization.id, member_id=customer.people[0].id, actor=SYSTEM
    )
    async with running.transactions() as tx:
        await tx.connect_sessions.save(replace(over.session, browser_hash=secret_hash(OTHERS)))
    doors = [
        Door(
            f"connect link that is over: {path}",
            Question(path, {CONNECT_COOKIE: over.secret.reveal()}),
            Question(path, {CONNECT_COOKIE: NO_SECRET}),
        )
        for path in ("/connect", "/connect/approval")
    ]
    doors += [
        Door(
            f"connect session of another browser: {path}",
            Question(path + over.session.reference),
            Question(path + f"CO-{NO_REFERENCE}"),
        )
        for path in ("/connect/checking/", "/connect/done/", "/connect/problem/")
    ]
    return doors


async def sign_in_doors(running: Services, customer: Customer) -> list[Door]:
    _, used = await running.access.create_operator_link(name="Vik", actor=SYSTEM)
    await running.access.use_operator_link(used, replaces=None, actor=SYSTEM)
    key, _ = await running.access.create_api_key(
        name="crm", permissions=[Permission.API_READ], life=timedelta(days=1), actor=SYSTEM
    )
    old = TrustSession(
        id=new_id("trs", running.entropy),
        secret_hash=secret_hash(OTHERS),
        organization_id=customer.organization.id,
        cloud="global",
        tenant_id=customer.bound.tenant_id,
        object_id=customer.connections[0].object_id,
        name="Tom Ellis",
        username="tom.ellis@harbourvale.example",
        is_administrator=False,
        created_at=running.clock.now() - TRUST_SESSION_LIFE,
    )
    async with running.transactions() as tx:
        await tx.trust_sessions.add(old)
    wrong, _ = write_key(key.id, bytes(32))
    unknown, _ = write_key("key_" + "0" * 26, bytes(32))
    return [
        Door(
            "sign-in link that was used",
            Question("/console/link", {LINK_COOKIE: used.reveal()}),
            Question("/console/link", {LINK_COOKIE: NO_SECRET}),
        ),
        Door(
            "API key with a wrong secret",
            Question("/v1/organizations", key=wrong.reveal()),
            Question("/v1/organizations", key=unknown.reveal()),
        ),
        Door(
            "trust session that is over",
            Question("/trust", {TRUST_COOKIE: OTHERS.reveal()}),
            Question("/trust", {TRUST_COOKIE: NO_SECRET}),
        ),
    ]


def ids(question: Question) -> dict[str, str]:
    """What of the answer repeats the question."""
    return {part: part for part in question.path.split("/") if part[3:4] == "_" or part[2:3] == "-"}


async def test_what_exists_and_what_never_was_are_answered_alike_by_the_same_work(
    running: Services, visitor: httpx.AsyncClient, doors: list[Door]
) -> None:
    mistakes: list[str] = []
    for door in doors:
        answers: list[tuple[object, list[str]]] = []
        for question in (door.existing, door.missing):
            with recorded(running.transactions._engine) as statements:
                answer = await visitor.get(question.path, headers=question.headers)
            answers.append((shape(answer, ids(question)), list(statements)))
        (told, did), (told_nothing, did_nothing) = answers
        if told != told_nothing:
            mistakes.append(f"{door.name}: answers differ")
        if did != did_nothing:
            mistakes.append(
                f"{door.name}: {len(did)} statements or {len(did_nothing)}: {did} / {did_nothing}"
            )
        assert did, f"{door.name} asked the database nothing: this compares nothing"
    assert mistakes == []


@pytest.mark.skipif(not TRIES, reason="measures time: `make figures`")
@pytest.mark.timeout(3600)
async def test_what_exists_and_what_never_was_take_the_same_time(
    visitor: httpx.AsyncClient, doors: list[Door]
) -> None:
    worst = 0.0
    for door in doors:
        took: tuple[list[float], list[float]] = ([], [])
        for number in range(2 * TRIES):
            # Taking turns: what slows the machine down slows both.
            question = (door.existing, door.missing)[number % 2]
            began = time.perf_counter()
            await visitor.get(question.path, headers=question.headers)
            took[number % 2].append((time.perf_counter() - began) * 1000)
        existing, missing = statistics.median(took[0]), statistics.median(took[1])
        # Of neighbours, so that a machine that is busier at the end than at the beginning makes no difference.
        apart = statistics.median(one - other for one, other in zip(*took, strict=True))
        worst = max(worst, abs(apart))
        print(f"{door.name}: p50 {existing:.2f} ms existing, {missing:.2f} ms missing, {apart:+.2f} ms apart")
    print(f"\nSR-69: {len(doors)} doors, {TRIES} tries each way: p50 differs by {worst:.2f} ms at most")
    assert worst < MOST_MILLISECONDS
