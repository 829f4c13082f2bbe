"""Members: refused, asking, connecting, connecting again, disconnecting. The vendor's server acts through the API."""

from __future__ import annotations

import asyncio
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from ostiary.entrypoints.cli.demo import sample
from ostiary.entrypoints.cli.demo.browser import Browser
from ostiary.entrypoints.cli.demo.instance import RETURN_URL
from ostiary.entrypoints.cli.demo.walk import Walk, expect, sign_in

TOM: Final = "tom.ellis@harbourvale.example"
SALES_ONE: Final = "sales.one@harbourvale.example"
LABS_ONE: Final = "labs.one@hv-labs.example"
CONTINUE: Final = "Continue to Microsoft"


async def unlicensed_is_refused(walk: Walk) -> str:
    """Sales Three has no licence."""
    session = await _session(walk, "sales.three@harbourvale.example")
    async with walk.browser() as browser:
        await browser.open(session["url"])
        if CONTINUE in browser.page.buttons:
            await browser.press(CONTINUE)
        expect(browser.page.heading == "You don’t have a Larkspur licence yet", browser.page.heading)
        expect("Dana Okafor" in browser.page.text, "the page does not say who gives licences out")
        return f"“{browser.page.heading}”"


async def member_asks_for_approval(walk: Walk) -> str:
    """Tom is stopped at Microsoft, because nobody approved yet, and asks his IT administrator."""
    session = await _session(walk, TOM)
    async with walk.browser() as browser:
        await browser.open(session["url"])
        await browser.press(CONTINUE)
        await sign_in(browser, TOM)
        await browser.follow("Return to the app without granting")
        wanted = "Your organization wants an administrator to approve Larkspur first"
        expect(browser.page.heading == wanted, browser.page.heading)
        await browser.follow("Ask my administrator")
        await browser.press("Send request", reason="I want to plan meetings with customers.")
        expect(f"Sent to {sample.PRIYA}" in browser.page.text, "the page does not say whom we wrote to")
        expect("/admin-consent/l/" in browser.page.text, "the message to send by hand holds no link")
        walk.seen["request page"] = browser.page.url
        walk.seen["request cookies"] = browser.cookies()
        expect(browser.page.heading == "Your request is with your IT administrator", browser.page.heading)
        return f"“{wanted}”, then “{browser.page.heading}”"


async def asker_is_told(walk: Walk) -> str:
    """The approval resolves the request of everyone who waits; a worker does it."""
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
    connection = await _connect(walk, TOM, await _session(walk, TOM))
    expect(connection["method"] == "graph", f"connected over {connection['method']}")
    walk.connections["graph"] = connection["id"]
    return f"{connection['address']} over {connection['method']}"


async def over_ews(walk: Walk) -> str:
    """Labs One connects where only EWS is approved."""
    connection = await _connect(walk, LABS_ONE, await _session(walk, LABS_ONE))
    expect(connection["method"] == "ews", f"connected over {connection['method']}")
    walk.connections["ews"] = connection["id"]
    return f"{connection['address']} over {connection['method']}"


async def vendor_confirms(walk: Walk) -> str:
    """Sales One comes back to the vendor's app, whose server says that this is its own user."""
    session = await _session(walk, SALES_ONE, return_url=RETURN_URL)
    async with walk.browser() as browser:
        await browser.open(session["url"])
        await browser.press(CONTINUE)
        returned = await browser.stop_before_leaving("Sign in", host=RETURN_URL)
    answer = parse_qs(urlsplit(returned).query)
    connection_id = (await walk.api("GET", f"/v1/connect-sessions/{session['id']}"))["connection_id"]
    await walk.api("GET", f"/v1/connections/{connection_id}/folders", status=409)
    path = f"/v1/connect-sessions/{session['id']}/confirm"
    await walk.api("POST", path, json={"completion_code": "x" * 43}, status=400)
    confirmed = await walk.api("POST", path, json={"completion_code": answer["completion_code"][0]})
    expect(confirmed["id"] == connection_id, "another connection was confirmed")
    expect(confirmed["status"] == "connected", f"it is {confirmed['status']}")
    await walk.api("GET", f"/v1/connections/{connection_id}/folders")
    return "unusable until then; a wrong code is refused; the right one connects"


async def reconnect(walk: Walk) -> str:
    """Tom signs in again for the same connection."""
    before = walk.connections["graph"]
    old = await walk.services.connections.get(before, organization_id=None)
    session = await walk.api("POST", f"/v1/connections/{before}/reconnect-session", json={}, status=201)
    after = await _connect(walk, TOM, session)
    expect(after["id"] == before, "reconnecting made another connection")
    new = await walk.services.connections.get(before, organization_id=None)
    expect(new.token_version > old.token_version, "the saved sign-in was not replaced")
    return f"the same connection; saved sign-in {old.token_version} became {new.token_version}"


async def disconnect(walk: Walk) -> str:
    """Tokens are gone for good, and the API says so."""
    connection_id = walk.connections["graph"]
    receipt = await walk.api("POST", f"/v1/connections/{connection_id}/disconnect")
    expect(receipt["tokens_destroyed"], "there was no token to destroy")
    async with walk.services.transactions() as transaction:
        expect(
            await transaction.refresh_tokens.find(connection_id) is None, "the refresh token is still there"
        )
    problem = await walk.api("GET", f"/v1/connections/{connection_id}/folders", status=409)
    return f"the token's row is gone; reading answers 409: {problem['detail']}"


async def _session(walk: Walk, address: str, **more: str) -> dict[str, Any]:
    """Let the member connect, as the vendor's server does."""
    organization, member = await sample.find_person(walk.services, address)
    wanted = {"organization_id": organization.id, "member_id": member.id, **more}
    return await walk.api("POST", "/v1/connect-sessions", json=wanted, status=201)


async def _connect(walk: Walk, address: str, session: dict[str, Any]) -> dict[str, Any]:
    async with walk.browser() as browser:
        await browser.open(session["url"])
        expect("/connect/s/" not in browser.page.url, "the link's secret stayed in the address bar")
        await browser.press(CONTINUE)
        await sign_in(browser, address)
        expect(browser.page.heading == "Connected", f"“{browser.page.heading}” {browser.page.text[:400]}")
        _expect_no_forced_consent(browser)
    done = await walk.api("GET", f"/v1/connect-sessions/{session['id']}")
    connection = await walk.api("GET", f"/v1/connections/{done['connection_id']}")
    expect(connection["status"] == "connected", f"it is {connection['status']}")
    return connection


def _expect_no_forced_consent(browser: Browser) -> None:
    asked = [url for url in browser.history if "/authorize" in url]
    expect(asked, "Microsoft was never asked")
    expect(not any("prompt=consent" in url for url in asked), "prompt=consent was sent")
