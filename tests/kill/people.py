"""Customers that approve and people that connect, each cycle another one, in a browser without scripts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx

from ostiary.bootstrap import Services
from ostiary.core.audit.model import SYSTEM
from ostiary.core.consent.model import Consent, ConsentState
from ostiary.core.kernel.access_method import AccessMethod
from ostiary.core.kernel.ids import new_id
from ostiary.core.organizations.model import Member, Organization
from ostiary.core.tenants.model import BindingState, Tenant

from ..conftest import Emulator
from ..integration.connect_world import APP_ID, RETURN_URL, Browser, Page


class Paused(Exception):
    """The browser stands before an address and has not asked for it."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.url = url


@dataclass
class CarefulBrowser(Browser):
    """A browser that can stop before an address, so that a test may arm what happens there."""

    stop_before: Callable[[str], bool] | None = None

    async def _request(self, method: str, url: str, **request: Any) -> httpx.Response:
        if self.stop_before is not None and method == "GET" and self.stop_before(url):
            raise Paused(url)
        return await super()._request(method, url, **request)

    async def until(self, stop_before: Callable[[str], bool], doing: Any) -> str:
        """Do something until the browser stands before an address; returns the address."""
        self.stop_before = stop_before
        try:
            page = await doing
        except Paused as paused:
            return paused.url
        finally:
            self.stop_before = None
        raise AssertionError(f"the browser never came there; it is at {page.url}: {page.text[:1500]}")

    async def get_through(self, page: Page, address: str) -> Page:
        """Get through Microsoft's pages, whatever they ask, as ``address``."""
        for _ in range(10):
            if page.url.startswith((self.site, "https://app.larkspur.example/")):
                return page
            names = {
                button.get("value") or button.text_content() for button in page.tree.xpath("//form//button")
            }
            if address in names:
                page = await self.press_value(page, address)
            elif page.tree.xpath("//input[@name='address']"):
                page = await self.press(page, "Next", address=address)
            elif "other" in names:
                page = await self.press_value(page, "other")
            elif page.tree.xpath("//input[@name='password']"):
                page = await self.press(page, "Sign in")
            elif "accept" in names:
                page = await self.press(page, "Accept")
            else:
                return page
        raise AssertionError(f"stuck at {page.url}")


@dataclass(frozen=True)
class Customer:
    """A company with a directory of its own, one administrator and one person."""

    organization: Organization
    member: Member
    tenant_id: str
    admin: str
    person: str
    person_object_id: str


@dataclass
class Crowd:
    """Makes customers, and does what they and their people do."""

    services: Services
    emulator: Emulator
    site: str
    client: httpx.AsyncClient
    api: httpx.AsyncClient
    """The vendor's server, with its key."""
    made: int = 0
    browsers: list[CarefulBrowser] = field(default_factory=list)

    def browser(self) -> CarefulBrowser:
        opened = CarefulBrowser(self.client, self.site)
        self.browsers.append(opened)
        return opened

    async def customer(
        self, *, approved: bool = False, method: AccessMethod = AccessMethod.GRAPH
    ) -> Customer:
        """A new customer; ``approved`` ones are bound and have approved ``method``."""
        self.made += 1
        domain = f"company{self.made}-{new_id('c', self.services.entropy)[-8:].lower()}.example"
        tenant = self.emulator.control("POST", "/tenants", {"domain": domain})
        admin, person = f"it@{domain}", f"one@{domain}"
        self.emulator.control(
            "POST",
            "/users",
            {"address": admin, "name": "Priya Nair", "roles": ["Cloud Application Administrator"]},
        )
        account = self.emulator.control("POST", "/users", {"address": person, "name": "Tom Ellis"})
        tenant_id = str(tenant["id"])
        organization, _ = await self.services.organizations.create(
            external_id=domain, name="Harbour & Vale", allowed_domains=(domain,), actor=SYSTEM
        )
        member, _ = await self.services.organizations.add_member(
            organization_id=organization.id,
            external_id="u1",
            email=person,
            display_name="Tom Ellis",
            licensed=True,
            actor=SYSTEM,
        )
        if approved:
            await self._approve(organization, tenant_id, domain, method)
        return Customer(organization, member, tenant_id, admin, person, str(account["oid"]))

    async def _approve(
        self, organization: Organization, tenant_id: str, domain: str, method: AccessMethod
    ) -> None:
        now = self.services.clock.now()
        self.emulator.control("POST", f"/tenants/{domain}/grants", {"app_id": APP_ID})
        async with self.services.transactions() as tx:
            await tx.tenants.add(
                Tenant(
                    id=new_id("ten", self.services.entropy),
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
            await tx.consents.save(
                Consent(
                    id=new_id("cns", self.services.entropy),
                    cloud="global",
                    tenant_id=tenant_id,
                    organization_id=organization.id,
                    method=method,
                    state=ConsentState.VERIFIED,
                    reference="CN-0000-0001",
                    verified_at=now,
                )
            )

    async def approval_link(self, customer: Customer) -> str:
        issued = await self.services.consent.links.create(
            organization_id=customer.organization.id, asked_by_name="Dana Okafor", actor=SYSTEM
        )
        return issued.url.reveal()

    async def go_and_approve(self, browser: CarefulBrowser, link: str, customer: Customer) -> Page:
        """Open the link, choose Graph, accept at Microsoft; ends where that leads."""
        page = await browser.open(link)
        page = await browser.press(page, "Connect email and calendar - Graph")
        return await browser.get_through(page, customer.admin)

    async def connect_link(self, customer: Customer) -> tuple[str, str]:
        """What the vendor's server does first; returns the session's id and its link."""
        answer = await self.api.post(
            "/v1/connect-sessions",
            json={
                "organization_id": customer.organization.id,
                "member_id": customer.member.id,
                "return_url": RETURN_URL,
            },
        )
        assert answer.status_code in {200, 201}, answer.text
        return answer.json()["id"], answer.json()["url"]

    async def go_and_connect(self, browser: CarefulBrowser, link: str, customer: Customer) -> Page:
        page = await browser.open(link)
        return await self.press_connect(browser, page, customer)

    async def press_connect(self, browser: CarefulBrowser, page: Page, customer: Customer) -> Page:
        page = await browser.press(page, "Continue to Microsoft")
        return await browser.get_through(page, customer.person)

    async def confirm(self, page: Page) -> httpx.Response:
        """What the vendor's server does when its own user is back."""
        query = parse_qs(urlsplit(page.url).query)
        return await self.api.post(
            f"/v1/connect-sessions/{query['connect_session'][0]}/confirm",
            json={"completion_code": query["completion_code"][0]},
        )

    async def connected(self, customer: Customer) -> str:
        """Connect the person the whole way; returns the connection's id."""
        _, link = await self.connect_link(customer)
        answer = await self.confirm(await self.go_and_connect(self.browser(), link, customer))
        assert answer.status_code == 200, answer.text
        return str(answer.json()["id"])

    async def read_mail(self, connection_id: str) -> httpx.Response:
        return await self.api.get(f"/v1/connections/{connection_id}/folders")
