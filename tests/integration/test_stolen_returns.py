"""Returns in the wrong browser, with somebody else's code, or forged: they complete nothing (FG-13, FG-14).

Everything goes over HTTP, through the pages of both sides. A few of each in every run; 1,000 each by ``make figures``.
"""

from __future__ import annotations

import os
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from urllib.parse import parse_qs, urlencode, urlsplit, urlunsplit

import httpx
import pytest
import pytest_asyncio
from sqlalchemy import text

from ostiary.bootstrap import Services
from ostiary.core.audit.model import SYSTEM
from ostiary.settings import Settings

from ..conftest import Emulator
from ..kill.conftest import LIMITED
from ..kill.people import CarefulBrowser
from .connect_world import APP_ID, HARBOUR, TOM, Company, make_company

THEFTS = int(os.environ.get("THEFTS", "8"))
LINKS_KEPT = 4
"""Links of approvals that are under way stay open."""
PRIYA = "priya.nair@harbourvale.example"
DANA = "dana.okafor@harbourvale.example"
OTHER_ADMIN = "other.admin@other-company.example"
OTHER_TENANT = "71f4c9e2-6a0d-4b38-9e57-d3a8b1c50f07"


@pytest.fixture
def emulator_settings(emulator_settings: Settings) -> Settings:
    """Everybody here sits at one address."""
    return emulator_settings.model_copy(update={f"rate_limit_{what}": "off" for what in LIMITED})


@pytest_asyncio.fixture
async def company(app: Services, client: httpx.AsyncClient, site: str, emulator: Emulator) -> Company:
    made = await make_company(app, client, site, emulator)
    await made.approve()
    return made


@dataclass
class Person:
    """Somebody in a browser of their own, signed in at Microsoft after the first time."""

    browser: CarefulBrowser
    account: str


Start = Callable[[Person], Awaitable[str]]
"""Begins a flow in a person's browser and stops before its return; gives the return's address."""


def returns_to(area: str) -> Callable[[str], bool]:
    return lambda url: f"/{area}/return/" in url and "code=" in url


def changed(url: str, **values: str) -> str:
    parts = urlsplit(url)
    query = {name: found[0] for name, found in parse_qs(parts.query).items()} | values
    return urlunsplit(parts._replace(query=urlencode(query)))


def value_of(url: str, name: str) -> str:
    return parse_qs(urlsplit(url).query)[name][0]


@dataclass(frozen=True)
class Theft:
    """A return, opened where it does not belong."""

    browser: CarefulBrowser
    address: str


async def thefts(victim: Person, thief: Person, mine: str, theirs: str) -> list[Theft]:
    """Everything that can be done with two genuine returns of two browsers; what uses a flow up comes last."""
    site, client = thief.browser.site, thief.browser.client
    nobody, somebody = CarefulBrowser(client, site), CarefulBrowser(client, site)
    await somebody.open("/console/sign-in")
    area, elsewhere = urlsplit(mine).path.split("/")[1], ("connect", "console", "admin-consent", "trust")
    return [
        Theft(nobody, mine),
        Theft(somebody, mine),
        Theft(thief.browser, mine),
        Theft(thief.browser, changed(mine, code=value_of(theirs, "code"))),
        *(
            Theft(thief.browser, mine.replace(f"/{area}/", f"/{other}/"))
            for other in elsewhere
            if other != area
        ),
        # The right state with somebody else's code: only PKCE and the nonce stand in the way.
        Theft(thief.browser, changed(theirs, code=value_of(mine, "code"))),
        Theft(victim.browser, changed(mine, code=value_of(theirs, "code"))),
    ]


async def steal(company: Company, start: Start, victim: Person, thief: Person) -> tuple[int, int]:
    """Let both begin, cross their returns, open them in every wrong browser; returns tries and exchanges."""
    tries = exchanged = 0
    while tries < THEFTS:
        mine, theirs = await start(victim), await start(thief)
        before = latest_request(company)
        for theft in await thefts(victim, thief, mine, theirs):
            page = await theft.browser.open(theft.address)
            # Whoever brings a return chose its code: no error of ours, and nobody is woken for it.
            assert page.status < 500
            tries += 1
        exchanged += exchanges_since(company, before)
    return tries, exchanged


def latest_request(company: Company) -> int:
    return max((entry["number"] for entry in company.emulator.requests(limit=5)), default=0)


def exchanges_since(company: Company, number: int) -> int:
    """How many codes Microsoft has taken since a request; the log of the emulator is the witness."""
    logged = company.emulator.requests("/token", limit=50)
    return sum(entry["number"] > number and entry["status"] == 200 for entry in logged)


async def count(app: Services, statement: str) -> int:
    async with app.transactions() as tx:
        return await tx._connection.scalar(text(statement)) or 0  # type: ignore[attr-defined]


def person(company: Company, account: str) -> Person:
    return Person(CarefulBrowser(company.browser.client, company.browser.site), account)


async def fresh_link(app: Services, opened: list[str]) -> str:
    """A link for an approval; an older one is withdrawn, because an organization may have only so many."""
    if len(opened) == LINKS_KEPT:
        await app.consent.links.withdraw(opened.pop(0), organization_id="org_1", actor=SYSTEM)
    issued = await app.consent.links.create(
        organization_id="org_1", asked_by_name="Dana Okafor", actor=SYSTEM
    )
    opened.append(issued.link.id)
    return issued.url.reveal()


@pytest.mark.timeout(3600)
async def test_stolen_returns_of_connecting_complete_nothing(company: Company, app: Services) -> None:
    async def start(who: Person) -> str:
        async def walk():
            page = await who.browser.open(await company.session(return_url=None))
            page = await who.browser.press(page, "Continue to Microsoft", login_hint=who.account)
            return await who.browser.get_through(page, who.account)

        return await who.browser.until(returns_to("connect"), walk())

    tries, exchanged = await steal(company, start, person(company, TOM), person(company, PRIYA))
    made = await count(app, "SELECT count(*) FROM connections")
    print(f"\nFG-13 connect: {made} of {tries} stolen returns completed, {exchanged} codes exchanged")
    assert (made, exchanged) == (0, 0)


@pytest.mark.timeout(3600)
async def test_stolen_returns_of_an_approval_complete_nothing(company: Company, app: Services) -> None:
    async with app.transactions() as tx:
        await tx._connection.execute(text("DELETE FROM consents"))  # type: ignore[attr-defined]

    opened: list[str] = []

    async def start(who: Person) -> str:
        async def walk():
            link = await fresh_link(app, opened)
            page = await who.browser.open(link)
            page = await who.browser.press(page, "Connect email and calendar - Graph")
            return await who.browser.get_through(page, who.account)

        return await who.browser.until(returns_to("admin-consent"), walk())

    tries, exchanged = await steal(company, start, person(company, PRIYA), person(company, PRIYA))
    made = await count(app, "SELECT count(*) FROM consents")
    print(f"\nFG-13 approval: {made} of {tries} stolen returns completed, {exchanged} codes exchanged")
    assert (made, exchanged) == (0, 0)


@pytest.mark.timeout(3600)
async def test_stolen_returns_of_the_console_sign_nobody_in(
    company: Company, app: Services, site: str
) -> None:
    # Dana has signed in before, so that her return would open the console.
    _, secret = await app.access.create_admin_link(organization_id="org_1", member_id="mem_2", actor=SYSTEM)
    dana = person(company, DANA)
    page = await dana.browser.open(f"{site}/console/link/{secret.reveal()}")
    page = await dana.browser.press(page, "Sign in with Microsoft")
    page = await dana.browser.get_through(page, DANA)
    assert page.path == "/console/welcome", page.url
    before = await count(app, "SELECT count(*) FROM console_sessions")

    async def start(who: Person) -> str:
        async def walk():
            page = await who.browser.open("/console/sign-in")
            page = await who.browser.press(page, "Sign in with Microsoft")
            return await who.browser.get_through(page, who.account)

        return await who.browser.until(returns_to("console"), walk())

    victim = person(company, DANA)
    tries, exchanged = await steal(company, start, victim, person(company, TOM))
    made = await count(app, "SELECT count(*) FROM console_sessions") - before
    print(f"\nFG-13 console: {made} of {tries} stolen returns completed, {exchanged} codes exchanged")
    assert (made, exchanged) == (0, 0)
    # The genuine return still opens it.
    page = await victim.browser.open(await start(victim))
    assert page.path.startswith("/console"), page.url
    assert await count(app, "SELECT count(*) FROM console_sessions") == before + 1


@pytest.mark.timeout(3600)
async def test_forged_approvals_and_foreign_directories_are_never_bound(
    company: Company, app: Services
) -> None:
    """A valid state in its own browser, with an invented answer, then a sign-in of a directory of somebody else."""
    async with app.transactions() as tx:
        for table in ("consents", "tenants"):
            await tx._connection.execute(text(f"DELETE FROM {table}"))  # type: ignore[attr-defined]
        await tx._connection.execute(  # type: ignore[attr-defined]
            text("UPDATE organizations SET expected_tenant_id = :tenant"), {"tenant": HARBOUR}
        )
    draw = random.Random(14)
    stranger = person(company, OTHER_ADMIN)
    company.emulator.control("POST", f"/tenants/{OTHER_ADMIN.rpartition('@')[2]}/grants", {"app_id": APP_ID})
    signed_in = 0
    opened: list[str] = []
    for _ in range(THEFTS):
        link = await fresh_link(app, opened)
        page = await stranger.browser.open(link)

        async def press(page=page):
            return await stranger.browser.press(page, "Connect email and calendar - Graph")

        at_microsoft = await stranger.browser.until(lambda url: "adminconsent" in url, press())
        answer = {
            "state": value_of(at_microsoft, "state"),
            "admin_consent": draw.choice(["True", "true", "TRUE"]),
            "tenant": draw.choice([HARBOUR, HARBOUR.upper(), OTHER_TENANT, "common", ""]),
            "scope": "https://graph.microsoft.com/.default",
        }
        if draw.random() < 0.3:
            answer["code"] = "made-up"
        page = await stranger.browser.open(f"/admin-consent/return/main?{urlencode(answer)}")
        if not page.url.startswith(company.browser.site):
            # The invented answer was taken for the hint it is: now they have to prove it.
            page = await stranger.browser.get_through(page, OTHER_ADMIN)
            signed_in += 1
        assert not page.path.startswith("/admin-consent/done"), page.url
    bound = await count(app, "SELECT count(*) FROM tenants WHERE binding = 'bound'")
    approved = await count(app, "SELECT count(*) FROM consents")
    print(
        f"\nFG-14: {bound} directories bound, {approved} approvals, of {THEFTS} forged; {signed_in} signed in"
    )
    assert (bound, approved) == (0, 0)
    assert signed_in > 0
