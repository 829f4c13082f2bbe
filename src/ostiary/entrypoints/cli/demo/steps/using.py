"""What the vendor and its operator do: read mail and calendars, look at the console, restart."""

from __future__ import annotations

import asyncio
import json
import sys
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from ostiary.entrypoints.cli.demo import sample
from ostiary.entrypoints.cli.demo.walk import Walk, expect


async def everything_runs(walk: Walk) -> str:
    """The service says that it is ready; what it is made of it tells nobody on this address."""
    async with walk.http.get(f"{walk.public_url}/readyz") as answer:
        ready = await answer.json()
    expect(ready["ready"], f"not ready: {ready}")
    state = await walk.control("GET", "/state")
    return f"the service is ready; {len(state['tenants'])} tenants at the emulator"


async def make_api_key(walk: Walk) -> str:
    """A key opens the API; without one it stays shut."""
    await walk.api("GET", "/v1/organizations", status=401)
    walk.api_key = await sample.api_key(walk.services)
    found = await walk.api("GET", "/v1/organizations")
    expect(len(found["items"]) == len(sample.ORGANIZATIONS), f"{len(found['items'])} organizations")
    return f"401 without it; with it {len(found['items'])} organizations"


async def command_line(walk: Walk) -> str:
    """The same mailbox on the command line."""
    listed = await _ostiary(walk, "mail", "list", walk.connections["graph"], "--limit", "5", "--json")
    messages = listed["messages"] if "messages" in listed else listed["items"]
    expect(len(messages) == 5, f"{len(messages)} messages")
    shown = await _ostiary(walk, "mail", "show", walk.connections["graph"], messages[0]["id"], "--json")
    expect(messages[0]["subject"] in json.dumps(shown, ensure_ascii=False), "mail show shows another message")
    events = await _ostiary(walk, "calendar", "list", walk.connections["ews"], "--json")
    expect(events, "calendar list is empty")
    return "mail list and show over Graph, calendar list over EWS, all as JSON"


async def reference(walk: Walk) -> str:
    """What somebody reads over the phone leads to what happened."""
    told = await _ostiary(
        walk, "explain", walk.seen["cancelled reference"].lower().replace("-", ""), "--json"
    )
    expect(told["reason"] == "declined", f"the reference explains {told.get('reason')}")
    expect(len(told["records"]) > 1, "nothing is recorded under the reference")
    return f"{told['ref']}: {told['title']} ({len(told['records'])} records)"


async def _ostiary(walk: Walk, *arguments: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "ostiary", "--env-file", str(walk.demo.instance.env_file), *arguments]
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    output, trouble = await process.communicate()
    words = f"ostiary {' '.join(arguments[:2])} ended with {process.returncode}: {trouble.decode()[-400:]}"
    expect(process.returncode == 0, words)
    return cast("dict[str, Any]", json.loads(output))


async def read_over_graph(walk: Walk) -> str:
    """Folders, a message and a fortnight of events of Tom's mailbox."""
    return await _read(walk, "graph")


async def read_over_ews(walk: Walk) -> str:
    """The same of a mailbox behind EWS."""
    return await _read(walk, "ews")


async def same_shape(walk: Walk) -> str:
    """Whoever reads the API cannot tell the method from the shape."""
    graph, ews = walk.seen["read graph"], walk.seen["read ews"]
    for noun in graph:
        there, here = _shape(graph[noun]), _shape(ews[noun])
        expect(there == here, f"{noun} differ: {sorted(there ^ here)}")
    return f"the fields of {', '.join(graph)} are equal"


async def refresh_once(walk: Walk) -> str:
    """Microsoft refuses an access token; eight callers at once cause one refresh."""
    path = f"/v1/connections/{walk.connections['graph']}/folders"
    await walk.api("GET", path)
    await walk.control("DELETE", "/requests")
    await walk.control("POST", "/faults", {"route": "GET /v1.0/me/mailFolders*", "status": 401, "count": 1})
    try:
        await asyncio.gather(*(walk.api("GET", path) for _ in range(8)))
    finally:
        await walk.control("DELETE", "/faults")
    refreshes = [each for each in await walk.emulator_requests("/token") if each["method"] == "POST"]
    expect(len(refreshes) == 1, f"{len(refreshes)} token requests")
    return "8 callers, 1 refusal, 1 token request"


async def console(walk: Walk) -> str:
    """The operator's one-time link works once and shows the customers."""
    link = await sample.console_link(walk.services)
    async with walk.browser() as browser:
        await browser.open(link)
        expect("/console/link/" not in browser.page.url, "the link's secret stayed in the address bar")
        await browser.press(browser.page.buttons[-1] if len(browser.page.buttons) == 1 else "Sign in")
        await browser.open(f"{walk.public_url}/operator/customers")
        expect(browser.page.status == 200, f"the customers' page answered {browser.page.status}")
        for organization in sample.ORGANIZATIONS:
            expect(organization.name in browser.page.text, f"{organization.name} is not listed")
    async with walk.browser() as browser:
        await browser.open(link)
        expect(browser.page.status == 404, "the link worked a second time")
    return f"{len(sample.ORGANIZATIONS)} customers listed; the link works once"


async def restart(walk: Walk) -> str:
    """A new process serves what the old one stored."""
    await walk.demo.restart_service()
    found = await walk.api("GET", f"/v1/connections/{walk.connections['graph']}/folders")
    expect(found["items"], "no folders after the restart")
    return f"{len(found['items'])} folders read by the new process"


async def _read(walk: Walk, method: str) -> str:
    base = f"/v1/connections/{walk.connections[method]}"
    folders = (await walk.api("GET", f"{base}/folders"))["items"]
    expect(any(folder["well_known"] == "inbox" for folder in folders), "there is no inbox")
    first = {"folder": "inbox", "limit": "25"}
    page = await walk.api("GET", f"{base}/messages", first)
    messages: list[dict[str, Any]] = page["items"]
    expect(messages, "the inbox is empty")
    received = [message["received_at"] for message in messages]
    expect(received == sorted(received, reverse=True), "messages are not newest first")
    expect(page["next_cursor"], "a mailbox of this size has a second page")
    after = await walk.api("GET", f"{base}/messages", {**first, "cursor": page["next_cursor"]})
    expect(
        not {each["id"] for each in messages} & {each["id"] for each in after["items"]},
        "the second page repeats the first",
    )
    whole = await walk.api("GET", f"{base}/messages/{messages[0]['id']}")
    expect(whole["subject"] == messages[0]["subject"], "the message is another one")
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    window = {
        "from": (today - timedelta(days=7)).isoformat(),
        "to": (today + timedelta(days=21)).isoformat(),
    }
    events = (await walk.api("GET", f"{base}/events", window))["items"]
    expect(events, "the calendar is empty")
    repeated = [event for event in events if event["series_id"]]
    expect(len(repeated) > 1, "no series was expanded")
    walk.seen[f"read {method}"] = {
        "folders": folders,
        "messages": messages,
        "whole messages": [whole],
        "events": events,
    }
    return (
        f"{len(folders)} folders, {len(messages)} messages on the first page, one read, "
        f"{len(events)} events of 4 weeks ({len(repeated)} from series)"
    )


def _shape(items: list[dict[str, Any]]) -> set[str]:
    return {name for item in items for name in item}
