"""Members: refused, asking, connecting, connecting again, disconnecting."""

from __future__ import annotations

import asyncio
from typing import Final

from ostiary.core.audit.model import SYSTEM
from ostiary.core.connections.model import Connection, ConnectionStatus
from ostiary.core.kernel.access_method import AccessMethod
from ostiary.entrypoints.cli.demo import sample
from ostiary.entrypoints.cli.demo.walk import Walk, expect, sign_in

TOM: Final = "tom.ellis@harbourvale.example"
LABS_ONE: Final = "labs.one@hv-labs.example"
CONTINUE: Final = "Continue to Microsoft"


async def unlicensed_is_refused(walk: Walk) -> str:
    """Sales Three has no licence."""
    async with walk.browser() as browser:
        await browser.open(await sample.connect_link(walk.services, "sales.three@harbourvale.example"))
        if CONTINUE in browser.page.buttons:
            await browser.press(CONTINUE)
        expect(browser.page.heading == "You don’t have a Larkspur licence yet", browser.page.heading)
        expect("Dana Okafor" in browser.page.text, "the page does not say who gives licences out")
        return f"“{browser.page.heading}”"


async def member_asks_for_approval(walk: Walk) -> str:
    """Tom is stopped at Microsoft, because nobody approved yet, and asks his IT administrator."""
    async with walk.browser() as browser:
        await browser.open(await sample.connect_link(walk.services, TOM))
        await browser.press(CONTINUE)
        await sign_in(browser, TOM)
        await browser.follow("Return to the app without granting")
        wanted = "Your organization wants an administrator to approve Larkspur first"
        expect(browser.page.heading == wanted, browser.page.heading)
        await browser.follow("Ask my administrator")
        await browser.press("Send request", reason="I want to plan meetings with customers.")
        expect(browser.page.heading == "Send this to your IT administrator", browser.page.heading)
        expect("/admin-consent/l/" in browser.page.text, "the message to send holds no link")
        await browser.press("I’ve sent it")
        walk.seen["request page"] = browser.page.url
        walk.seen["request cookies"] = browser.cookies()
        expect(browser.page.heading == "Your request is with your IT administrator", browser.page.heading)
        return f"“{wanted}”, then “{browser.page.heading}”"


async def asker_is_told(walk: Walk) -> str:
    """The approval resolves the request of everyone who waits."""
    async with walk.browser() as browser:
        browser.set_cookies(walk.seen["request cookies"])
        for _ in range(40):
            await browser.open(walk.seen["request page"])
            if "Approved" in browser.page.text:
                return "the request's page says Approved"
            await asyncio.sleep(0.25)
        expect(False, f"the request's page still says: {browser.page.text[:300]}")
    return ""


async def over_graph(walk: Walk) -> str:
    """Tom connects mail and calendar."""
    connection = await _connect(walk, TOM)
    expect(connection.method is AccessMethod.GRAPH, f"connected over {connection.method}")
    walk.connections["graph"] = connection.id
    return f"{connection.address} over {connection.method.label}"


async def over_ews(walk: Walk) -> str:
    """Labs One connects where only EWS is approved."""
    connection = await _connect(walk, LABS_ONE)
    expect(connection.method is AccessMethod.EWS, f"connected over {connection.method}")
    walk.connections["ews"] = connection.id
    return f"{connection.address} over {connection.method.label}"


async def reconnect(walk: Walk) -> str:
    """Tom signs in again for the same connection."""
    before = walk.connections["graph"]
    old = await walk.services.connections.get(before, organization_id=None)
    after = await _connect(walk, TOM, connection_id=before)
    expect(after.id == before, "reconnecting made another connection")
    expect(after.token_version > old.token_version, "the saved sign-in was not replaced")
    return f"the same connection, saved sign-in {old.token_version} → {after.token_version}"


async def disconnect(walk: Walk) -> str:
    """Tokens are gone for good, and the API says so."""
    connection_id = walk.connections["graph"]
    receipt = await walk.services.connections.disconnect(connection_id, organization_id=None, actor=SYSTEM)
    expect(receipt.tokens_destroyed, "there was no token to destroy")
    async with walk.services.transactions() as transaction:
        expect(
            await transaction.refresh_tokens.find(connection_id) is None, "the refresh token is still there"
        )
    problem = await walk.api("GET", f"/v1/connections/{connection_id}/folders", status=409)
    expect(problem.get("code") == "connection_not_usable", f"the API said {problem}")
    return "the token's row is gone; the API answers 409"


async def _connect(walk: Walk, address: str, *, connection_id: str | None = None) -> Connection:
    organization, member = await sample.find_person(walk.services, address)
    async with walk.browser() as browser:
        await browser.open(await sample.connect_link(walk.services, address, connection_id=connection_id))
        expect("/connect/s/" not in browser.page.url, "the link's secret stayed in the address bar")
        await browser.press(CONTINUE)
        await sign_in(browser, address)
        expect(browser.page.heading == "Connected", f"“{browser.page.heading}” {browser.page.text[:400]}")
        asked = [url for url in browser.history if "/authorize" in url]
        expect(asked, "Microsoft was never asked")
        expect(not any("prompt=consent" in url for url in asked), "prompt=consent was sent")
    found = await walk.services.connections.list_for_member(member.id, organization_id=organization.id)
    live = [each for each in found if each.status is ConnectionStatus.CONNECTED]
    expect(len(live) == 1, f"{len(live)} connections of {address} are connected")
    return live[0]
