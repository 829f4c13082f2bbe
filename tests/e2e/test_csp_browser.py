"""Every page of ours in a real browser: nothing breaks the content security policy that it is sent with (FG-18).

Pages come from the route table, so that a new one is looked at without being listed here.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Error, Page, Route

from ostiary.bootstrap import Services, application
from ostiary.core.audit.model import SYSTEM
from ostiary.core.kernel.clock import MovableClock
from ostiary.core.kernel.secret import Secret
from ostiary.entrypoints.web.app import create_app
from ostiary.entrypoints.web.permissions import permission_table
from ostiary.settings import Settings

from ..front import Front
from ..integration.console_world import Customer, make_customer
from ..integration.test_role_matrix import ids_of

pytestmark = pytest.mark.browser

NO_PAGES = ("/v1/", "/metrics", "/healthz", "/readyz", "/static/", "/.well-known/")
LISTEN = """
window.broken = [];
document.addEventListener("securitypolicyviolation", (event) =>
  window.broken.push(`${event.violatedDirective} ${event.blockedURI}`));
"""


@dataclass(frozen=True, slots=True)
class World:
    """The running site, a customer with something on every page, and three ways to look at it."""

    url: str
    services: Services
    customer: Customer
    operator: Secret

    def pages(self) -> list[str]:
        """Every address that answers GET with something for people."""
        ids = ids_of(self.customer)
        found: list[str] = []
        for method, path in permission_table(create_app(self.services)):
            if method == "GET" and not path.startswith(NO_PAGES):
                found.append(re.sub(r"\{(\w+)(?::\w+)?\}", lambda match: ids[match[1]], path))
        return sorted(set(found))


@pytest_asyncio.fixture
async def world(settings: Settings, clock: MovableClock, front: Front, site_url: str) -> AsyncIterator[World]:
    async with application(settings.model_copy(update={"public_url": site_url}), clock=clock) as services:
        customer = await make_customer(services, "hv", "Harbour & Vale", "Dana Okafor")
        first = await services.access.ensure_first_operator()
        assert first is not None
        operator = await services.access.use_operator_link(first, replaces=None, actor=SYSTEM)
        front.serve(create_app(services))
        yield World(site_url, services, customer, operator.secret)
        await front.withdraw()


async def broken_rules(page: Page, address: str) -> list[str] | None:
    """What a page did against its policy; None for an address that shows no page, such as a download."""
    try:
        answer = await page.goto(address, wait_until="load")
    except Error as error:
        if "Download is starting" in str(error) or "ERR_ABORTED" in str(error):
            return None
        raise
    if answer is None or "text/html" not in answer.headers.get("content-type", ""):
        return None
    assert "content-security-policy" in answer.headers, address
    return [str(each) for each in await page.evaluate("window.broken")]


@pytest.mark.timeout(600)
async def test_no_page_breaks_its_own_policy(world: World, chromium: Browser) -> None:
    seen, broken = 0, []
    sessions = {"visitor": None, "admin": world.customer.session, "operator": world.operator}
    for who, session in sessions.items():
        context = await chromium.new_context(base_url=world.url, accept_downloads=False)
        await context.add_init_script(LISTEN)
        if session is not None:
            await context.add_cookies(
                [
                    {
                        "name": "__Host-ostiary-session",
                        "value": session.reveal(),
                        "url": world.url.replace("http://", "https://"),
                        "secure": True,
                        "httpOnly": True,
                    }
                ]
            )
        page = await context.new_page()
        for address in world.pages():
            if who == "visitor" and address.startswith("/console/"):
                continue
            rules = await broken_rules(page, address)
            if rules is not None:
                seen += 1
                broken += [f"{who} {address}: {rule}" for rule in rules]
        await context.close()
    print(f"\nFG-18: {len(broken)} violations on {seen} pages")
    assert broken == []
    assert seen >= 60


async def test_a_page_that_broke_its_policy_would_be_seen(world: World, chromium: Browser) -> None:
    context = await chromium.new_context(base_url=world.url)
    await context.add_init_script(LISTEN)
    page = await context.new_page()

    async def spoil(route: Route) -> None:
        answer = await route.fetch()
        text = (await answer.text()).replace("</main>", "<script>window.ran = 1</script></main>")
        await route.fulfill(response=answer, body=text)

    await page.route("**/admin-consent", spoil)
    assert await broken_rules(page, "/admin-consent") == ["script-src-elem inline"]
    assert await page.evaluate("window.ran") is None
    await context.close()
