"""A customer that wants an approval, and a person who walks through it in a browser."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from playwright.async_api import Browser, Locator, Page

from ostiary.bootstrap import Services
from ostiary.core.audit.model import SYSTEM
from ostiary.core.organizations.model import Organization

from .pressing import press

DOMAIN = "harbourvale.example"
TENANT = "9c2f0b7a-51de-4a66-8f3e-1d7a40e2b918"
PRIYA = "priya.nair@harbourvale.example"
TOM = "tom.ellis@harbourvale.example"
OTHER = "other.admin@other-company.example"
GRAPH = "Connect email and calendar - Graph"
EWS = "Connect email and calendar - EWS"


@dataclass(frozen=True, slots=True)
class ApprovalWorld:
    """Harbour & Vale on a running site, with links on request."""

    app: Services
    site: str
    browser: Browser
    organization: Organization

    async def link(self, *, expected_tenant_id: str | None = None) -> str:
        issued = await self.app.consent.links.create(
            organization_id=self.organization.id,
            asked_by_name="Dana Okafor",
            expected_tenant_id=expected_tenant_id,
            actor=SYSTEM,
        )
        return issued.url.reveal()

    @asynccontextmanager
    async def person(
        self, *, scripts: bool = True, scheme: str = "light", width: int = 1280
    ) -> AsyncIterator[Page]:
        """A fresh browser profile."""
        context = await self.browser.new_context(
            base_url=self.site,
            java_script_enabled=scripts,
            color_scheme=scheme,  # type: ignore[arg-type]
            viewport={"width": width, "height": 900},
        )
        try:
            yield await context.new_page()
        finally:
            await context.close()


async def make_world(app: Services, site: str, browser: Browser, **changes: Any) -> ApprovalWorld:
    """Add the customer."""
    asked: dict[str, Any] = {
        "external_id": "hv",
        "name": "Harbour & Vale",
        "seat_count": 10,
        "allowed_domains": [DOMAIN],
    }
    organization, _ = await app.organizations.create(**(asked | changes), actor=SYSTEM)
    return ApprovalWorld(app, site, browser, organization)


async def at_microsoft(page: Page, address: str = PRIYA, *, answer: str = "Accept") -> None:
    """Walk through Microsoft's pages until they send the browser back, or stop."""
    steps = (
        (page.locator("input[name=password]"), page.get_by_role("button", name="Sign in", exact=True)),
        *_alike(page.locator(f"button[value='{address}']")),
        *_alike(page.get_by_role("button", name=answer, exact=True)),
        *_alike(page.get_by_role("link", name="Return to the app without granting")),
        *_alike(page.get_by_role("button", name="Return to the app without granting")),
    )
    for _ in range(10):
        for sign, target in steps:
            if await sign.count():
                await press(target)
                break
        else:
            return


def _alike(target: Locator) -> tuple[tuple[Locator, Locator]]:
    return ((target, target),)


async def approve(
    page: Page, link: str, *, button: str = GRAPH, address: str = PRIYA, answer: str = "Accept"
) -> None:
    """Open a link, choose, and walk through Microsoft's pages."""
    await page.goto(link)
    await press(page.get_by_role("button", name=button))
    await at_microsoft(page, address, answer=answer)


async def heading(page: Page) -> str:
    """Return the one main heading."""
    return " ".join((await page.locator("h1").inner_text()).split())
