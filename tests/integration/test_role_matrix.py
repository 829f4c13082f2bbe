"""Every route × every kind of caller × two organizations, generated from the route table (SR-62, SR-63)."""

from __future__ import annotations

import base64
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import timedelta

import httpx
import pytest
import pytest_asyncio
from pydantic import SecretStr

from ostiary.bootstrap import Services, application
from ostiary.core.access.model import (
    API_PERMISSIONS,
    CONSOLE_PERMISSIONS,
    OPERATOR_PERMISSIONS,
    Permission,
    Role,
)
from ostiary.core.access.sessions import begin_session
from ostiary.core.audit.model import SYSTEM
from ostiary.core.kernel.clock import MovableClock
from ostiary.core.kernel.secret import Secret
from ostiary.entrypoints.web.app import create_app
from ostiary.entrypoints.web.browser import COOKIE, FIELD, _token
from ostiary.entrypoints.web.permissions import SAFE_METHODS, SESSION_COOKIE, permission_table
from ostiary.settings import Settings

from .console_world import Customer, make_customer

CONSOLE = frozenset(OPERATOR_PERMISSIONS | CONSOLE_PERMISSIONS)
API = API_PERMISSIONS
BROWSER_SECRET = "b" * 43
ORIGIN = "http://localhost:8080"
NOT_YOURS = "this isn’t yours to see or change"

Ids = Mapping[str, str]
MISSING: Ids = {
    "organization_id": "org_00000000000000000000000000",
    "member_id": "mem_00000000000000000000000000",
    "connection_id": "cnn_00000000000000000000000000",
    "tenant_key": "ten_00000000000000000000000000",
    "link_id": "acl_00000000000000000000000000",
    "request_id": "apr_00000000000000000000000000",
    "reference": "CN-0000-0000",
    "session_id": "cns_00000000000000000000000000",
    "registration_id": "main",
    "key_id": "key_00000000000000000000000000",
    "operator_id": "opr_00000000000000000000000000",
    "endpoint_id": "whe_00000000000000000000000000",
    "delivery_id": "whd_00000000000000000000000000000000",
    "message_id": "none",
    "event_id": "none",
    "attachment_id": "none",
    "secret": "0" * 43,
    "segment": "0" * 43,
    "name": "app.css",
}


def ids_of(customer: Customer) -> Ids:
    return {
        **MISSING,
        "organization_id": customer.organization.id,
        "member_id": customer.people[0].id,
        "connection_id": customer.connections[0].id,
        "tenant_key": customer.pending.id,
        "request_id": customer.request.id,
        "reference": customer.consent.reference,
    }


def form_token() -> str:
    """Return what a form of ours carries in this browser."""
    token = _token(Secret(BROWSER_SECRET))
    return base64.urlsafe_b64encode(bytes(len(token)) + token).decode()


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody at the door."""

    name: str
    permissions: frozenset[Permission]
    role: Role | None = None
    customer: Customer | None = None
    key: str | None = None
    has_browser: bool = True

    @property
    def knocks_at(self) -> frozenset[Permission]:
        """Where this caller's credential means anything; elsewhere nobody has signed in."""
        return API if self.key else CONSOLE if self.role else frozenset()


@dataclass(frozen=True, slots=True)
class World:
    services: Services
    a: Customer
    b: Customer
    callers: tuple[Caller, ...]
    table: Mapping[tuple[str, str], Permission]
    client: httpx.AsyncClient

    async def ask(self, caller: Caller, method: str, path: str, ids: Ids) -> httpx.Response:
        """Send one request as this caller, with a session of its own and whatever a form of ours would carry."""
        headers = {"origin": ORIGIN, "host": "localhost:8080"}
        cookies: dict[str, str] = {}
        if caller.key:
            headers["authorization"] = f"Bearer {caller.key}"
        if caller.has_browser:
            cookies[COOKIE] = BROWSER_SECRET
        if caller.role is not None:
            cookies[SESSION_COOKIE] = await self._session(caller)
        headers["cookie"] = "; ".join(f"{name}={value}" for name, value in cookies.items())
        address = re.sub(r"\{(\w+)(?::\w+)?\}", lambda match: ids[match[1]], path)
        data = None if method in SAFE_METHODS else {FIELD: form_token()}
        return await self.client.request(method, address, headers=headers, data=data)

    async def _session(self, caller: Caller) -> str:
        assert caller.role is not None
        operator = (await self._operators())[0]
        async with self.services.transactions() as transaction:
            signed_in = await begin_session(
                transaction,
                role=caller.role,
                subject_id=caller.customer.admin.id if caller.customer else operator,
                name=caller.name,
                organization_id=caller.customer.organization.id if caller.customer else None,
                entropy=self.services.entropy,
                now=self.services.clock.now(),
                replaces=None,
                authenticated_at=self.services.clock.now(),
                home_tenant_id=caller.customer.pending.tenant_id if caller.customer else None,
            )
        return signed_in.secret.reveal()

    async def _operators(self) -> list[str]:
        async with self.services.transactions() as transaction:
            return [operator.id for operator in await transaction.operators.list_all()]


@pytest_asyncio.fixture
async def world(settings: Settings, clock: MovableClock) -> AsyncIterator[World]:
    closed = settings.model_copy(update={"metrics_token": SecretStr("m" * 32)})
    async with application(closed, clock=clock) as services:
        a = await make_customer(services, "hv", "Harbour & Vale", "Dana Okafor")
        b = await make_customer(services, "other", "Other Company", "Sam")
        await services.access.ensure_first_operator()
        callers = [
            Caller("nobody", frozenset(), has_browser=False),
            Caller("visitor with a browser", frozenset()),
            Caller("operator", OPERATOR_PERMISSIONS, Role.OPERATOR),
            Caller("admin of A", CONSOLE_PERMISSIONS, Role.ORGANIZATION_ADMIN, a),
            Caller("admin of B", CONSOLE_PERMISSIONS, Role.ORGANIZATION_ADMIN, b),
        ]
        for permission in sorted(API_PERMISSIONS):
            _, text = await services.access.create_api_key(
                name=permission, permissions=[permission], life=timedelta(days=1), actor=SYSTEM
            )
            callers.append(Caller(f"key with {permission}", frozenset({permission}), key=text.reveal()))
        app = create_app(services)
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url=ORIGIN, trust_env=False) as client:
            yield World(services, a, b, tuple(callers), permission_table(app), client)


def wrong(caller: Caller, permission: Permission, answer: httpx.Response) -> str | None:
    """Return what is wrong with this answer, judged by the declared permission alone."""
    if answer.status_code == 500:
        return "fails"
    asked_to_sign_in = answer.status_code == 401 or (
        answer.status_code == 303 and "/console/sign-in" in answer.headers.get("location", "")
    )
    turned_away = answer.status_code == 403 and NOT_YOURS in answer.text
    if permission is Permission.PUBLIC:
        return None
    if permission not in caller.knocks_at:
        return None if asked_to_sign_in else f"{answer.status_code} to somebody unknown"
    if permission not in caller.permissions:
        return None if turned_away else f"{answer.status_code} without the permission"
    if asked_to_sign_in or turned_away:
        return f"{answer.status_code} although allowed"
    return None


# Thousands of requests, each with a session of its own: minutes on a busy machine.
@pytest.mark.timeout(600)
async def test_every_route_admits_exactly_the_callers_it_declares(world: World) -> None:
    mistakes: list[str] = []
    cells = 0
    for (method, path), permission in sorted(world.table.items()):
        for caller in world.callers:
            for customer in (world.a, world.b):
                answer = await world.ask(caller, method, path, ids_of(customer))
                cells += 1
                problem = wrong(caller, permission, answer)
                if problem is not None:
                    mistakes.append(f"{method} {path} as {caller.name}: {problem}")
    print(f"{cells} cells, {len(mistakes)} wrong answers")
    assert mistakes == []
    assert cells == len(world.table) * len(world.callers) * 2


def shape(answer: httpx.Response, ids: Ids) -> tuple[int, str, tuple[str, ...], str]:
    """Return what tells two answers apart, without what differs between any two requests."""
    location, text = answer.headers.get("location", ""), answer.text
    for name, value in ids.items():
        if name in {"registration_id", "name", "message_id", "attachment_id"}:
            continue
        location, text = location.replace(value, "‹id›"), text.replace(value, "‹id›")
    text = re.sub(r"[A-Za-z0-9_-]{86,}={0,2}", "‹token›", text)
    for name in ("x-request-id", "request-id"):
        if name in answer.headers:
            text = text.replace(answer.headers[name], "‹request›")
    return answer.status_code, location, tuple(sorted(answer.headers.keys())), text


async def test_foreign_objects_answer_exactly_as_missing_ones(world: World) -> None:
    admins = {caller.name: caller for caller in world.callers if caller.role is Role.ORGANIZATION_ADMIN}
    pairs = ((admins["admin of B"], world.a), (admins["admin of A"], world.b))
    mistakes: list[str] = []
    cells = told_apart = 0
    for (method, path), permission in sorted(world.table.items()):
        if "{" not in path or permission not in CONSOLE_PERMISSIONS:
            continue
        for caller, other in pairs:
            foreign = await world.ask(caller, method, path, ids_of(other))
            missing = await world.ask(caller, method, path, MISSING)
            cells += 1
            if shape(foreign, ids_of(other)) != shape(missing, MISSING):
                mistakes.append(
                    f"{method} {path} as {caller.name}: {foreign.status_code}, {missing.status_code}"
                )
            assert caller.customer is not None
            if method == "GET":
                own = await world.ask(caller, method, path, ids_of(caller.customer))
                told_apart += own.status_code != missing.status_code
    print(f"{cells} foreign cells, {len(mistakes)} wrong answers")
    assert mistakes == []
    assert told_apart >= 8, "own objects must answer otherwise, or this compares nothing"
