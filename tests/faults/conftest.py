"""The fault table: a running feed, something that goes wrong, and an oracle that knows the truth (RR-9).

One service, one database and one emulator serve all rows; each row leaves the feed as it has to be: converged.
``FAULTS`` makes the long run: that many rounds of each row, with more writing in each (``make test-faults``).
"""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from pydantic import SecretStr

from ostiary.adapters.sql.embedded import EmbeddedServer
from ostiary.adapters.sql.engine import create_engine
from ostiary.bootstrap import Services, application
from ostiary.core.access.model import API_PERMISSIONS
from ostiary.core.audit.model import SYSTEM
from ostiary.core.kernel.access_method import AccessMethod
from ostiary.core.kernel.clock import MovableClock
from ostiary.entrypoints.web.server import WebServer, open_listener
from ostiary.settings import Profile, Settings

from ..conftest import APP_SECRET, NOW, Emulator, emulator_for
from ..integration.connect_world import APP_ID, RETURN_URL
from ..kill.people import Crowd
from .following import Followed, RunningFeed
from .oracle import Mailbox, Oracle
from .receiver import Receiver
from .wire import Wire

ROUNDS = int(os.environ.get("FAULTS", "0")) or 1
LIMITED = ("sign_in", "consent", "link", "connect", "return", "mail", "api", "guess")
SECONDS_TO_MICROSOFT = 1.0
"""Longest call to Microsoft in these tests; 30 seconds in the product."""


@pytest.fixture(scope="package")
def fault_database() -> Iterator[EmbeddedServer]:
    folder = Path(tempfile.mkdtemp(prefix="ostiary-faults-"))
    with EmbeddedServer.start(folder) as server:
        yield server
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="package")
def fault_listener() -> Iterator[socket.socket]:
    """A port of these tests' own: the one of the run belongs to whichever test serves its site just now."""
    reserved = open_listener("127.0.0.1", 0)
    yield reserved
    reserved.close()


@pytest.fixture(scope="package")
def fault_url(fault_listener: socket.socket) -> str:
    return f"http://localhost:{fault_listener.getsockname()[1]}"


@pytest.fixture(scope="package")
def fault_emulator(fault_url: str) -> Iterator[Emulator]:
    """An emulator of these tests' own: the one that other tests share is set back between any two files."""
    with emulator_for(fault_url) as started:
        started.control("POST", "/reset", {"messages": 3})
        started.control("POST", "/clock", {"freeze": True, "set": NOW.isoformat()})
        yield started


@pytest_asyncio.fixture(scope="package")
async def wire(fault_emulator: Emulator) -> AsyncIterator[Wire]:
    async with Wire(fault_emulator.url).running() as made:
        yield made


@pytest_asyncio.fixture(scope="package")
async def receiver() -> AsyncIterator[Receiver]:
    async with Receiver().running() as made:
        yield made


@pytest.fixture(scope="package")
def fault_settings(fault_database: EmbeddedServer, wire: Wire, fault_url: str) -> Iterator[Settings]:
    folder = Path(tempfile.mkdtemp(prefix="ostiary-faults-data-"))
    yield Settings(
        profile=Profile.DEVELOPMENT,
        data_dir=folder,
        database_url=SecretStr(fault_database.url),
        public_url=fault_url,
        vendor_name="Larkspur",
        vendor_app_name="Larkspur for Microsoft 365",
        vendor_publisher="Larkspur Software Ltd",
        vendor_help_email="help@larkspur.example",
        vendor_data_kept="Ids and headers of messages, in Dublin, until you disconnect.",
        app_client_id=APP_ID,
        app_secret=SecretStr(APP_SECRET),
        allow_client_secret=True,
        login_url=wire.url,
        graph_url=wire.url,
        ews_url=f"{wire.url}/EWS/Exchange.asmx",
        return_urls=(RETURN_URL,),
        webhook_private_destinations=True,
        # Every person of these tests sits at one address.
        **dict.fromkeys((f"rate_limit_{what}" for what in LIMITED), "off"),
    )
    shutil.rmtree(folder, ignore_errors=True)


@pytest_asyncio.fixture(scope="package")
async def fault_services(fault_settings: Settings) -> AsyncIterator[Services]:
    async with application(fault_settings, clock=MovableClock(NOW)) as services:
        for gateway in services.sync._gateways.values():
            for client in (getattr(gateway, "_client", None), getattr(gateway, "_session", None)):
                if client is None:
                    continue
                client._timeout_seconds = SECONDS_TO_MICROSOFT
        yield services


@pytest_asyncio.fixture(scope="package")
async def fault_site(
    fault_services: Services, fault_listener: socket.socket, fault_url: str
) -> AsyncIterator[str]:
    web = WebServer(fault_services, fault_listener.dup())
    running = asyncio.create_task(web.run())
    await web.started()
    yield fault_url
    await web.stop(drain_seconds=0)
    await running


@pytest_asyncio.fixture(scope="package")
async def feed(
    fault_services: Services,
    fault_site: str,
    fault_database: EmbeddedServer,
    fault_emulator: Emulator,
    wire: Wire,
    receiver: Receiver,
) -> AsyncIterator[RunningFeed]:
    services = fault_services
    engine = create_engine(fault_database.url, pool_size=4)
    async with (
        httpx.AsyncClient(timeout=30, trust_env=False) as client,
        httpx.AsyncClient(base_url=fault_site, timeout=30, trust_env=False) as api,
    ):
        _, key = await services.access.create_api_key(
            name="Larkspur", permissions=API_PERMISSIONS, actor=SYSTEM
        )
        api.headers["Authorization"] = f"Bearer {key.reveal()}"
        issued = await services.webhooks.endpoints.add(f"{receiver.url}/hook", actor=SYSTEM)
        await services.webhooks.endpoints.prove(issued.endpoint.id, actor=SYSTEM)
        crowd = Crowd(services, fault_emulator, fault_site, client, api)
        oracle = Oracle(engine, receiver)
        running = await running_feed(crowd, wire, receiver, oracle, issued.endpoint.id)
        yield running
        await oracle.require_whole_chain(services)
    await engine.dispose()


@pytest_asyncio.fixture(scope="package")
async def ews_feed(feed: RunningFeed) -> RunningFeed:
    """Two more mailboxes of two more customers, followed over EWS by the same service. Nobody holds their streams."""
    return await running_feed(
        feed.crowd, feed.wire, feed.receiver, feed.oracle, feed.endpoint_id, method=AccessMethod.EWS
    )


async def running_feed(
    crowd: Crowd,
    wire: Wire,
    receiver: Receiver,
    oracle: Oracle,
    endpoint_id: str,
    *,
    method: AccessMethod = AccessMethod.GRAPH,
) -> RunningFeed:
    """Two customers' mailboxes that are followed, and converged."""
    services = crowd.services
    both = [await followed(crowd, seed, method) for seed in (1, 2)]
    running = RunningFeed(
        services,
        services.clock,  # type: ignore[arg-type]
        crowd.emulator,
        wire,
        receiver,
        oracle,
        endpoint_id,
        *both,
        crowd,
    )
    await running.settle()
    for each in both:
        await running.count_refreshes(each)
    await running.require_converged()
    return running


async def followed(crowd: Crowd, seed: int, method: AccessMethod) -> Followed:
    """A customer that approved, and a person of it who connected."""
    customer = await crowd.customer(approved=True, method=method)
    connection_id = await crowd.connected(customer)
    mailbox = Mailbox(
        crowd.client,
        crowd.emulator.url,
        customer.person,
        immutable=method is AccessMethod.GRAPH,
        tenant_id=customer.tenant_id,
    )
    return Followed(customer, connection_id, mailbox, random.Random(seed))
