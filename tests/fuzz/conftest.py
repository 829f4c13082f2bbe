"""A customer with a connected mailbox and everybody who may come to the door. ``make fuzz-api`` runs this folder."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI

from ostiary.bootstrap import Services
from ostiary.core.access.model import (
    API_PERMISSIONS,
    CONSOLE_PERMISSIONS,
    OPERATOR_PERMISSIONS,
    Permission,
    Role,
)
from ostiary.core.access.sessions import begin_session
from ostiary.core.audit.model import SYSTEM
from ostiary.core.kernel.access_method import AccessMethod
from ostiary.entrypoints.api.app import openapi_document
from ostiary.entrypoints.web.app import create_app
from ostiary.entrypoints.web.permissions import SESSION_COOKIE, permission_table
from ostiary.settings import Settings

from ..conftest import Emulator
from ..integration.api_world import known_values
from ..integration.connect_world import Browser, Company, make_company

SECONDS = float(os.environ.get("FUZZ_SECONDS", "600"))
"""How long all of it may take together."""

PRIYA = "priya.nair@harbourvale.example"


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody at the door."""

    name: str
    permissions: frozenset[Permission]
    headers: Mapping[str, str]
    role: Role | None = None


@dataclass(frozen=True, slots=True)
class World:
    """One customer, connected, and all callers."""

    company: Company
    site: str
    document: dict[str, Any]
    table: Mapping[tuple[str, str], Permission]
    callers: tuple[Caller, ...]
    known: Mapping[str, tuple[str, ...]]

    async def session(self, role: Role) -> str:
        """Sign an operator or the customer's admin in; returns the cookie."""
        app = self.company.app
        async with app.transactions() as tx:
            operators = await tx.operators.list_all()
            of_customer = role is Role.ORGANIZATION_ADMIN
            signed_in = await begin_session(
                tx,
                role=role,
                subject_id="mem_2" if of_customer else operators[0].id,
                name="Dana Okafor" if of_customer else operators[0].name,
                organization_id="org_1" if of_customer else None,
                entropy=app.entropy,
                now=app.clock.now(),
                replaces=None,
                authenticated_at=app.clock.now(),
            )
        return f"{SESSION_COOKIE}={signed_in.secret.reveal()}"


async def make_world(
    app: Services, client: httpx.AsyncClient, site: str, emulator: Emulator, method: AccessMethod
) -> World:
    """Connect Tom over ``method`` and let everybody else arrive."""
    company = await make_company(app, client, site, emulator)
    await company.approve(method)
    connection = await company.confirm(await company.go())
    await app.access.ensure_first_operator()
    _, whole = await app.access.create_api_key(name="App", permissions=API_PERMISSIONS, actor=SYSTEM)
    callers = [
        Caller("nobody", frozenset(), {}),
        Caller("wrong key", frozenset(), {"Authorization": "Bearer ost_" + "x" * 43}),
        Caller("key with everything", API_PERMISSIONS, {"Authorization": f"Bearer {whole.reveal()}"}),
    ]
    for permission in sorted(API_PERMISSIONS):
        _, key = await app.access.create_api_key(
            name=permission, permissions=[permission], life=timedelta(days=1), actor=SYSTEM
        )
        bearer = {"Authorization": f"Bearer {key.reveal()}"}
        callers.append(Caller(f"key with {permission}", frozenset({permission}), bearer))
    callers += [
        Caller("operator", OPERATOR_PERMISSIONS, {}, Role.OPERATOR),
        Caller("organization admin", CONSOLE_PERMISSIONS, {}, Role.ORGANIZATION_ADMIN),
        Caller("IT administrator", frozenset(), {"Cookie": await trusted(client, site, PRIYA)}),
        Caller("member", frozenset(), {"Cookie": await trusted(client, site, company.tom.email)}),
    ]
    web: FastAPI = create_app(app)
    known = await known_values(app, client, site, connection.id, whole.reveal())
    return World(company, site, openapi_document(web), permission_table(web), tuple(callers), known)


async def trusted(client: httpx.AsyncClient, site: str, address: str) -> str:
    """Sign somebody in to the trust page and open a connect link; returns the cookies this leaves."""
    browser = Browser(client, site)
    page = await browser.press(await browser.open("/trust"), "Sign in with Microsoft")
    await browser.sign_in(page, address)
    return "; ".join(f"{name}={value}" for name, value in browser.cookies["localhost"].items())


@pytest.fixture
def emulator_settings(emulator_settings: Settings) -> Settings:
    """Settings without the limits that would end the run after its first minutes; guessed keys still count."""
    limits = ("sign_in", "consent", "link", "connect", "return", "mail", "api")
    return emulator_settings.model_copy(update={f"rate_limit_{each}": "off" for each in limits})


@pytest_asyncio.fixture(params=list(AccessMethod))
async def world(
    request: Any, app: Services, client: httpx.AsyncClient, site: str, emulator: Emulator
) -> AsyncIterator[World]:
    """A customer connected over one method."""
    yield await make_world(app, client, site, emulator, request.param)
