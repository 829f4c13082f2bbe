"""A browser without scripts, and the customer whose member connects in it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx
from lxml import html

from ostiary.bootstrap import Services
from ostiary.core.audit.model import SYSTEM
from ostiary.core.connections.model import Connection
from ostiary.core.consent.model import Consent, ConsentState
from ostiary.core.kernel.access_method import AccessMethod
from ostiary.core.kernel.secret import Secret
from ostiary.core.organizations.model import Member, MemberRole, Organization
from ostiary.core.tenants.model import BindingState, Tenant

APP_ID = "4f6c1d0e-7b52-4c1b-9a55-20d1b6f0c3aa"
HARBOUR = "9c2f0b7a-51de-4a66-8f3e-1d7a40e2b918"
DOMAIN = "harbourvale.example"
TOM = "tom.ellis@harbourvale.example"
RETURN_URL = "https://app.larkspur.example/connected"


class Emulator(Protocol):
    """The part of the emulator's fixture that these tests use."""

    def control(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]: ...
    def set_scenario(self, tenant: str, reason_id: str) -> None: ...
    def requests(self, path: str = "", *, limit: int = 200) -> list[dict[str, Any]]: ...


@dataclass
class Page:
    """One page a person looks at."""

    url: str
    status: int
    text: str
    headers: httpx.Headers

    @property
    def tree(self) -> Any:
        return html.fromstring(self.text)

    @property
    def path(self) -> str:
        return urlsplit(self.url).path

    @property
    def h1(self) -> str:
        return " ".join(self.tree.findtext(".//h1").split())

    @property
    def steps(self) -> list[str]:
        found = self.tree.xpath("//*[@class='actions']//a | //*[@class='actions']//button")
        return [" ".join(element.text_content().split()) for element in found]


@dataclass
class Browser:
    """Follows redirects, fills forms, presses buttons; leaves when it is sent to the vendor's app."""

    client: httpx.AsyncClient
    site: str
    visited: list[str] = field(default_factory=list)
    cookies: dict[str, dict[str, str]] = field(default_factory=dict)
    """By host and name. Secure ones, too: a browser takes http://localhost for safe."""

    async def _request(self, method: str, url: str, **request: Any) -> httpx.Response:
        kept = self.cookies.setdefault(urlsplit(url).hostname or "", {})
        headers = dict(request.pop("headers", {}))
        if kept:
            headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in kept.items())
        answer = await self.client.request(method, url, headers=headers, **request)
        self.client.cookies.clear()
        for line in answer.headers.get_list("set-cookie"):
            cookie, _, attributes = line.partition(";")
            name, _, value = cookie.partition("=")
            kept.pop(name, None)
            if "max-age=0" not in attributes.lower().replace(" ", "").split(";"):
                kept[name] = value
        return answer

    async def open(self, address: str, **request: Any) -> Page:
        method = "POST" if "data" in request else "GET"
        url = urljoin(self.site, address)
        for _ in range(20):
            self.visited.append(url)
            answer = await self._request(method, url, **request)
            if answer.status_code not in {302, 303, 307}:
                return Page(url, answer.status_code, answer.text, answer.headers)
            url, method, request = urljoin(url, answer.headers["location"]), "GET", {}
            if url.startswith("https://app.larkspur.example/"):
                return Page(url, 0, "<h1>Larkspur</h1>", answer.headers)
        raise AssertionError("too many redirects")

    async def press(self, page: Page, label: str, **changes: str | None) -> Page:
        """Press the button (or follow the link) with this label, changing fields by name first."""
        for form in page.tree.forms:
            for button in form.xpath(".//button"):
                if label in " ".join(button.text_content().split()):
                    data = {name: value for name, value in form.form_values() if value is not None}
                    if button.get("name"):
                        data[button.get("name")] = button.get("value", "")
                    for name, value in changes.items():
                        data.pop(name, None)
                        if value is not None:
                            data[name] = value
                    target = urljoin(page.url, form.get("action") or page.url)
                    # Browsers say where a form was sent from.
                    headers = {"Sec-Fetch-Site": "same-origin", "Origin": "null"}
                    return await self.open(target, data=data, headers=headers)
        for link in page.tree.xpath("//a"):
            if label in " ".join(link.text_content().split()):
                return await self.open(urljoin(page.url, link.get("href")))
        raise AssertionError(f"no button {label!r} on {page.url}: {page.text[:2000]}")

    async def sign_in(self, page: Page, address: str) -> Page:
        """Get through Microsoft's pages as far as they go, accepting what is asked."""
        for _ in range(8):
            if page.url.startswith((self.site, "https://app.larkspur.example/")):
                return page
            buttons = page.tree.xpath("//form//button")
            names = {button.get("value") or button.text_content() for button in buttons}
            if address in names:
                page = await self.press_value(page, address)
            elif "next" in names and page.tree.xpath("//input[@name='password']"):
                page = await self.press(page, "Sign in")
            elif "accept" in names:
                page = await self.press(page, "Accept")
            else:
                return page
        raise AssertionError(f"stuck at {page.url}")

    async def press_value(self, page: Page, value: str) -> Page:
        for form in page.tree.forms:
            for button in form.xpath(".//button"):
                if button.get("value") == value:
                    data = dict(form.form_values()) | {button.get("name"): value}
                    target = urljoin(page.url, form.get("action"))
                    headers = {"Sec-Fetch-Site": "same-origin"}
                    return await self.open(target, data=data, headers=headers)
        raise AssertionError(value)


@dataclass
class Company:
    """Harbour & Vale as the vendor knows it."""

    app: Services
    emulator: Emulator
    browser: Browser
    tom: Member

    async def session(self, **options: Any) -> str:
        """Make a connect session; returns the path of its link."""
        values: dict[str, Any] = {
            "organization_id": "org_1",
            "member_id": self.tom.id,
            "actor": SYSTEM,
            "return_url": RETURN_URL,
        }
        made = await self.app.connections.sessions.create(**(values | options))
        return f"/connect/s/{made.secret.reveal()}"

    async def go(self, **options: Any) -> Page:
        """Open a fresh session, press Continue, sign in as Tom; returns where that leads."""
        page = await self.browser.open(await self.session(**options))
        page = await self.browser.press(page, "Continue to Microsoft")
        return await self.browser.sign_in(page, TOM)

    async def confirm(self, page: Page) -> Connection:
        """What the vendor's server does when its own user is back."""
        query = parse_qs(urlsplit(page.url).query)
        return await self.app.connections.confirmation.confirm(
            query["connect_session"][0],
            completion_code=Secret(query["completion_code"][0]),
            actor=SYSTEM,
        )

    async def waiting_path(self, page: Page) -> str:
        """Our own page of a sign-in whose browser has gone on to the vendor."""
        (session_id,) = parse_qs(urlsplit(page.url).query)["connect_session"]
        session = await self.app.connections.sessions.get(session_id)
        return f"/connect/checking/{session.reference}"

    async def connections(self) -> tuple[Connection, ...]:
        return await self.app.connections.list_for_member(self.tom.id, organization_id="org_1")

    async def approve(self, method: AccessMethod = AccessMethod.GRAPH) -> None:
        """An administrator approved, at Microsoft and on our record."""
        self.emulator.control("POST", f"/tenants/{DOMAIN}/grants", {"app_id": APP_ID})
        async with self.app.transactions() as tx:
            await tx.consents.save(
                Consent(
                    id=f"cns_{method.value}",
                    cloud="global",
                    tenant_id=HARBOUR,
                    organization_id="org_1",
                    method=method,
                    state=ConsentState.VERIFIED,
                    reference="CN-0000-0001",
                    verified_at=self.app.clock.now(),
                )
            )


async def make_company(app: Services, client: httpx.AsyncClient, site: str, emulator: Emulator) -> Company:
    """An organization with a bound tenant that has not approved yet, and one licensed member."""
    now = app.clock.now()
    tom = Member("mem_1", "org_1", "u1", TOM, "Tom Ellis", MemberRole.MEMBER, True, now)
    dana = Member(
        "mem_2",
        "org_1",
        "u2",
        "dana.okafor@harbourvale.example",
        "Dana Okafor",
        MemberRole.ORGANIZATION_ADMIN,
        True,
        now,
    )
    async with app.transactions() as tx:
        await tx.organizations.add(Organization("org_1", "hv", "Harbour & Vale", now))
        await tx.members.add(tom)
        await tx.members.add(dana)
        await tx.tenants.add(
            Tenant(
                id="ten_1",
                cloud="global",
                tenant_id=HARBOUR,
                organization_id="org_1",
                binding=BindingState.BOUND,
                bound_how="verified_domain",
                display_name="Harbour & Vale",
                domains=(DOMAIN,),
                created_at=now,
                bound_at=now,
            )
        )
    return Company(app, emulator, Browser(client, site), tom)
