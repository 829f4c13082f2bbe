"""A running application with one customer, its admin, an operator and the vendor's server at the door."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI

from ostiary.bootstrap import Services, application
from ostiary.core.access.model import API_PERMISSIONS
from ostiary.core.audit.model import SYSTEM
from ostiary.core.kernel.clock import MovableClock
from ostiary.core.kernel.secret import Secret
from ostiary.entrypoints.web.app import create_app
from ostiary.settings import Settings

from ..console_world import Customer, make_customer
from ..test_console_pages import SITE, Person

OpenAs = Callable[[Secret | None], AbstractAsyncContextManager[Person]]


@pytest_asyncio.fixture
async def running(settings: Settings, clock: MovableClock) -> AsyncIterator[Services]:
    async with application(settings, clock=clock) as services:
        yield services


@pytest.fixture
def web(running: Services) -> FastAPI:
    return create_app(running)


@pytest.fixture
def open_as(web: FastAPI) -> OpenAs:
    """Open the browser of whoever holds a session."""

    @asynccontextmanager
    async def opened(session: Secret | None) -> AsyncIterator[Person]:
        transport = httpx.ASGITransport(web, client=("192.0.2.7", 5000))
        async with httpx.AsyncClient(transport=transport, base_url=SITE) as client:
            yield Person(client, session)

    return opened


@pytest_asyncio.fixture
async def harbour(running: Services) -> Customer:
    return await make_customer(running, "hv", "Harbour & Vale", "Dana Okafor")


@pytest_asyncio.fixture
async def other(running: Services) -> Customer:
    return await make_customer(running, "other-company", "Other Company", "Other Admin")


@pytest_asyncio.fixture
async def operator(running: Services) -> Secret:
    link = await running.access.ensure_first_operator()
    assert link is not None
    return (await running.access.use_operator_link(link, replaces=None, actor=SYSTEM)).secret


@pytest_asyncio.fixture
async def api(web: FastAPI, running: Services) -> AsyncIterator[httpx.AsyncClient]:
    """The vendor's server, with a key that may do everything."""
    _, key = await running.access.create_api_key(name="tests", permissions=API_PERMISSIONS, actor=SYSTEM)
    transport = httpx.ASGITransport(web, client=("192.0.2.8", 5000))
    async with httpx.AsyncClient(transport=transport, base_url=SITE) as client:
        client.headers["Authorization"] = f"Bearer {key.reveal()}"
        yield client
