"""A connected mailbox, whose way to Microsoft loses answers when told."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest_asyncio
from lxml import html

from ostiary.adapters.http_session import trusted
from ostiary.bootstrap import Services
from ostiary.core.access.model import API_PERMISSIONS
from ostiary.core.audit.model import SYSTEM
from ostiary.core.connections.model import Connection, ConnectionStatus
from ostiary.core.kernel.access_method import AccessMethod
from ostiary.settings import Settings

from ..connect_world import Company, Emulator, make_company
from ..lossy_link import LossyLink, lossy_link

COLLEAGUE = "dana.okafor@harbourvale.example"


@pytest_asyncio.fixture
async def link(emulator: Emulator) -> AsyncIterator[LossyLink]:
    """The wire between the service and Microsoft."""
    async with lossy_link(emulator.url) as running:
        yield running


@pytest_asyncio.fixture
async def emulator_settings(
    settings: Settings, emulator: Emulator, site_url: str, link: LossyLink
) -> Settings:
    """Settings of an instance that reaches mailboxes over the lossy wire."""
    return settings.model_copy(
        update={
            "public_url": site_url,
            "login_url": emulator.url,
            "graph_url": link.url,
            "ews_url": f"{link.url}/EWS/Exchange.asmx",
        }
    )


@dataclass
class Office:
    """A member's connected mailbox, the API, and a look into the mailbox of a colleague."""

    company: Company
    api: httpx.AsyncClient
    connection: Connection
    link: LossyLink

    @property
    def path(self) -> str:
        return f"/v1/connections/{self.connection.id}"

    def arrived_count(self, subject: str, address: str = COLLEAGUE) -> int:
        """How often a message with this subject lies in a colleague's inbox, as the emulator itself shows it."""
        page = httpx.get(
            f"{self.company.emulator.url}/mailboxes/{address}", timeout=20, trust_env=False, verify=trusted()
        )
        links = html.fromstring(page.text).xpath("//tbody//a/text()")
        return [str(each) for each in links].count(subject)


@pytest_asyncio.fixture
async def company(app: Services, client: httpx.AsyncClient, site: str, emulator: Emulator) -> Company:
    return await make_company(app, client, site, emulator)


@pytest_asyncio.fixture(params=list(AccessMethod))
async def office(
    request: Any, company: Company, client: httpx.AsyncClient, link: LossyLink
) -> AsyncIterator[Office]:
    """Tom's mailbox, connected over one method."""
    method: AccessMethod = request.param
    await company.approve(method)
    await company.confirm(await company.go())
    (connection,) = [
        each for each in await company.connections() if each.status is ConnectionStatus.CONNECTED
    ]
    _, key = await company.app.access.create_api_key(name="App", permissions=API_PERMISSIONS, actor=SYSTEM)
    client.headers["Authorization"] = f"Bearer {key.reveal()}"
    yield Office(company, client, connection, link)
    del client.headers["Authorization"]
