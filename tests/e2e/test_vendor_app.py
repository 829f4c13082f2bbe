"""The sample vendor app, as its own process, with the people of two customers in real browsers (SR-19, SR-20)."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page

from ostiary.adapters.http_session import trusted
from ostiary.bootstrap import Services
from ostiary.core.connections.model import Connection, ConnectionStatus
from ostiary.core.consent.model import Consent, ConsentState
from ostiary.core.kernel.access_method import AccessMethod
from ostiary.core.kernel.clock import MovableClock
from ostiary.core.tenants.model import BindingState, Tenant
from ostiary.entrypoints.cli.demo import sample
from ostiary.entrypoints.web.server import open_listener
from ostiary.settings import Settings

from .pressing import press
from .test_connect_browser import sign_in

pytestmark = pytest.mark.browser

APP = Path(__file__).parents[2] / "examples" / "vendor-app"
APP_ID = "4f6c1d0e-7b52-4c1b-9a55-20d1b6f0c3aa"
TOM, TOM_AT = "Tom Ellis", "tom.ellis@harbourvale.example"
LABS, LABS_AT = "Labs One", "labs.one@hv-labs.example"
SALES, SALES_AT = "Sales One", "sales.one@harbourvale.example"
TENANTS = (
    ("hv", "9c2f0b7a-51de-4a66-8f3e-1d7a40e2b918", "harbourvale.example"),
    ("hv-labs", "c8d3f6a1-94b7-4e50-8d12-2f6b0e9a7c06", "hv-labs.example"),
)


@pytest.fixture
def clock() -> MovableClock:
    """The app has the real time, as any product has: everybody else starts with it, too."""
    return MovableClock(datetime.now(UTC))


@pytest.fixture(scope="module")
def vendor_port() -> int:
    with open_listener("127.0.0.1", 0) as reserved:
        return int(reserved.getsockname()[1])


@pytest.fixture
def emulator_settings(emulator_settings: Settings, vendor_port: int) -> Settings:
    address = f"http://localhost:{vendor_port}/email/connected"
    return emulator_settings.model_copy(update={"return_urls": (address,)})


@dataclass
class Larkspur:
    """The vendor's running app, and what our side knows of it."""

    url: str
    services: Services
    chromium: Browser

    @asynccontextmanager
    async def browser_of(self, user: str | None) -> AsyncIterator[Page]:
        """A fresh browser, signed in to the app as somebody or not at all."""
        context = await self.chromium.new_context(base_url=self.url)
        try:
            page = await context.new_page()
            if user is not None:
                await page.goto("/")
                await press(page.get_by_role("button", name=user))
            yield page
        finally:
            await context.close()

    async def connections(self) -> list[Connection]:
        """Every connection there is, unconfirmed ones too."""
        found: list[Connection] = []
        for status in ConnectionStatus:
            page = await self.services.connections.page(organization_id=None, status=status, limit=50)
            found += page.items
        return found

    async def stored_tokens(self) -> list[str]:
        """Ids of the connections that a refresh token is kept for."""
        async with self.services.transactions() as transaction:
            return [
                each.id
                for each in await self.connections()
                if await transaction.refresh_tokens.find(each.id) is not None
            ]


@pytest_asyncio.fixture
async def larkspur(
    app: Services, site: str, emulator: Any, chromium: Browser, vendor_port: int
) -> AsyncIterator[Larkspur]:
    await sample.sow(app)
    for external_id, tenant_id, domain in TENANTS:
        emulator.control("POST", f"/tenants/{domain}/grants", {"app_id": APP_ID})
        await approve(app, external_id, tenant_id, domain)
    environment = {
        "PATH": os.environ["PATH"],
        "OSTIARY_URL": site,
        "OSTIARY_API_KEY": await sample.api_key(app),
    }
    command = [sys.executable, "-m", "uvicorn", "--app-dir", str(APP), "--port", str(vendor_port), "app:app"]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://localhost:{vendor_port}"
    try:
        await answers(url, process)
        yield Larkspur(url, app, chromium)
    finally:
        process.terminate()
        process.wait(10)


async def approve(app: Services, external_id: str, tenant_id: str, domain: str) -> None:
    """An administrator of the customer approved over Graph, and we verified it."""
    now = app.clock.now()
    organization = await app.organizations.resolve(external_id)
    async with app.transactions() as transaction:
        await transaction.tenants.add(
            Tenant(
                id=f"ten_{external_id}",
                cloud="global",
                tenant_id=tenant_id,
                organization_id=organization.id,
                binding=BindingState.BOUND,
                bound_how="verified_domain",
                display_name=organization.name,
                domains=(domain,),
                created_at=now,
                bound_at=now,
            )
        )
        await transaction.consents.save(
            Consent(
                id=f"cns_{external_id}",
                cloud="global",
                tenant_id=tenant_id,
                organization_id=organization.id,
                method=AccessMethod.GRAPH,
                state=ConsentState.VERIFIED,
                reference="CN-0000-0001",
                verified_at=now,
            )
        )


async def answers(url: str, process: subprocess.Popen[bytes]) -> None:
    """Wait until the app answers; fails when it ended instead."""
    async with httpx.AsyncClient(trust_env=False, verify=trusted()) as client:
        for _ in range(200):
            assert process.poll() is None, "the vendor's app ended by itself"
            try:
                await client.get(url)
            except httpx.TransportError:
                await asyncio.sleep(0.1)
            else:
                return
    pytest.fail("the vendor's app never answered")


async def to_microsoft(page: Page) -> None:
    """From the app to Microsoft's sign-in page."""
    await press(page.get_by_role("button", name="Connect email and calendar"))
    await press(page.get_by_role("button", name="Continue to Microsoft"))


async def connect(page: Page, address: str) -> None:
    """All the way, and back to the app."""
    await to_microsoft(page)
    await sign_in(page, address)


async def come_back_as_nobody(page: Page, address: str) -> str:
    """Connect, but be signed out of the app before the browser is back; returns the address it came back to."""
    await to_microsoft(page)
    await page.context.clear_cookies(name="larkspur-session")
    await sign_in(page, address)
    assert await page.locator("h1").inner_text() == "Nothing was connected"
    return page.url


async def test_two_members_of_two_customers_connect_at_once_and_see_only_their_own(
    larkspur: Larkspur,
) -> None:
    async with larkspur.browser_of(TOM) as tom, larkspur.browser_of(LABS) as labs:
        await asyncio.gather(connect(tom, TOM_AT), connect(labs, LABS_AT))
        for page, own, other in ((tom, TOM_AT, LABS_AT), (labs, LABS_AT, TOM_AT)):
            text = await page.locator("main").inner_text()
            assert f"{own} is connected" in text
            assert other not in text
            assert await page.locator("ul").first.locator("li").count() == 5
            assert await page.get_by_role("heading", name="Today (UTC)").count() == 1
    found = {each.address: each for each in await larkspur.connections()}
    assert set(found) == {TOM_AT, LABS_AT}
    assert {each.status for each in found.values()} == {ConnectionStatus.CONNECTED}
    assert found[TOM_AT].organization_id != found[LABS_AT].organization_id


async def test_neither_can_confirm_what_the_other_started(larkspur: Larkspur) -> None:
    async with larkspur.browser_of(TOM) as tom, larkspur.browser_of(LABS) as labs:
        back = await come_back_as_nobody(tom, TOM_AT)
        await to_microsoft(labs)
        # Tom's return, code and all, in the browser of somebody else who is connecting, too.
        answer = await labs.goto(back)
        assert answer is not None
        assert answer.status == 403
        assert await labs.locator("h1").inner_text() == "Nothing was connected"
    (connection,) = await larkspur.connections()
    assert connection.status is ConnectionStatus.UNCONFIRMED


async def test_a_link_of_an_attacker_completed_by_a_victim_gives_nothing_usable(
    larkspur: Larkspur, move_time: Callable[[timedelta], None]
) -> None:
    async with AsyncExitStack() as stack:
        attacker = await stack.enter_async_context(larkspur.browser_of(SALES))
        victim = await stack.enter_async_context(larkspur.browser_of(TOM))
        started = await attacker.context.request.post("/email/connect", max_redirects=0)
        # The link reaches the victim unopened, who goes all the way through with their own mailbox.
        await victim.goto(started.headers["location"])
        await press(victim.get_by_role("button", name="Continue to Microsoft"))
        await sign_in(victim, TOM_AT)
        assert await victim.locator("h1").inner_text() == "Nothing was connected"
        # The attacker's own app never learns the code, and so cannot confirm either.
        await attacker.goto("/email")
        assert "is not connected" in await attacker.locator("main").inner_text()
    usable = [each for each in await larkspur.connections() if each.status is ConnectionStatus.CONNECTED]
    assert usable == []
    move_time(timedelta(minutes=5))
    await larkspur.services.connections.confirmation.expire_unconfirmed()
    assert await larkspur.stored_tokens() == []


async def test_a_sign_in_nobody_confirmed_is_destroyed_after_five_minutes(
    larkspur: Larkspur, move_time: Callable[[timedelta], None]
) -> None:
    async with larkspur.browser_of(TOM) as tom:
        await come_back_as_nobody(tom, TOM_AT)
    expire = larkspur.services.connections.confirmation.expire_unconfirmed
    (waiting,) = await larkspur.connections()
    assert waiting.status is ConnectionStatus.UNCONFIRMED
    move_time(timedelta(minutes=4, seconds=59))
    assert await expire() == 0
    assert await larkspur.stored_tokens() == [waiting.id]
    move_time(timedelta(seconds=1))
    assert await expire() == 1
    assert await larkspur.stored_tokens() == []
    (gone,) = await larkspur.connections()
    assert (gone.status, gone.reason) == (ConnectionStatus.DISCONNECTED, "not_finished")
