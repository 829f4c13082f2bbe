"""Two people write to and meet each other, one over Graph and one over EWS; feeds and webhooks tell of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from ostiary.entrypoints.cli.demo.steps.connecting import LABS_ONE, TOM
from ostiary.entrypoints.cli.demo.walk import Walk, expect

WAIT_SECONDS: Final = 60.0
"""How long news may take. It takes a second or two where Microsoft tells of it, ten where it has to be looked for."""
_LONG_POLL_SECONDS: Final = 10
_POLL_SECONDS: Final = 0.2

FROM_GRAPH: Final = "Delivery dates"
FROM_EWS: Final = "Re: your delivery dates"
MEETING: Final = "Weekly delivery round"


async def endpoint_is_proven(walk: Walk) -> str:
    """The vendor adds its endpoint; no event goes there before it has repeated a signed challenge."""
    receiver = walk.receiver
    issued = await walk.api("POST", "/v1/webhook-endpoints", json={"url": receiver.url}, status=201)
    endpoint_id = issued["endpoint"]["id"]
    receiver.secret = "whsec_" + "A" * 43 + "="
    await walk.api("POST", f"/v1/webhook-endpoints/{endpoint_id}/verify", status=409)
    receiver.secret = issued["secret"]
    proven = await walk.api("POST", f"/v1/webhook-endpoints/{endpoint_id}/verify")
    expect(proven["status"] == "active", f"it is {proven['status']}")
    for method in ("graph", "ews"):
        newest = await walk.api("GET", f"{_base(walk, method)}/changes", {"start": "newest"})
        walk.seen[f"cursor {method}"] = newest["next_cursor"]
    return "refused while it did not know its secret; active once it did"


async def mail_over_graph(walk: Walk) -> str:
    """Tom writes over Graph; Labs One hears of it over EWS."""
    await _send(walk, "graph", to=LABS_ONE, subject=FROM_GRAPH)
    message = await _find(walk, "ews", FROM_GRAPH)
    event = await _told(walk, "ews", _is("message.created", "message_id", message["id"]))
    await _pushed(walk, event["id"])
    return (
        f"“{message['subject']}” from {message['sender']['address']}: event {event['sequence']} of the feed"
    )


async def written_before_the_restart(walk: Walk) -> str:
    """Labs One answers over EWS, Tom books a weekly meeting over Graph; the vendor's endpoint is away."""
    walk.receiver.is_away = True
    start = (datetime.now(UTC) + timedelta(days=1)).replace(minute=0, second=0, microsecond=0)
    meeting = {
        "subject": MEETING,
        "starts_at": start.isoformat(),
        "ends_at": (start + timedelta(minutes=30)).isoformat(),
        "attendees": [{"address": LABS_ONE, "name": "Labs One"}],
        "recurrence": {"pattern": "weekly", "days": [f"{start:%A}".lower()], "count": 4},
    }
    _, booked = await asyncio.gather(
        _send(walk, "ews", to=TOM, subject=FROM_EWS),
        walk.api("POST", f"{_base(walk, 'graph')}/events", json=meeting, status=201),
    )
    expect(booked["kind"] == "series", f"a {booked['kind']} was booked")
    walk.seen["meeting starts at"] = start
    async with asyncio.timeout(WAIT_SECONDS):
        while not walk.receiver.refused:  # noqa: ASYNC110 - the receiver counts, and tells nobody
            await asyncio.sleep(_POLL_SECONDS)
    walk.receiver.is_away = False
    return "one mail, one meeting with 4 dates; the endpoint answered 503 at first"


async def told_after_the_restart(walk: Walk) -> str:
    """Nothing of it got lost: each is in the other's feed, each event of both feeds reached the endpoint."""
    message = await _find(walk, "graph", FROM_EWS)
    mail = await _told(walk, "graph", _is("message.created", "message_id", message["id"]))
    start: datetime = walk.seen["meeting starts at"]
    window = {"from": start.isoformat(), "to": (start + timedelta(days=28)).isoformat()}
    dates = await _events(walk, "ews", window)
    expect(len(dates) == 4, f"{len(dates)} dates in the other's calendar")
    meeting = await _told(walk, "ews", _is("event.created", "event_id", dates[0]["series_id"]))
    for event in (mail, meeting):
        await _pushed(walk, event["id"])
    since = await _since_proven(walk, "graph") + await _since_proven(walk, "ews")
    for event in since:
        await _pushed(walk, event["id"])
    expect(len({each["id"] for each in since}) == len(since), "an event is in a feed twice")
    expect(walk.receiver.forged == 1, f"{walk.receiver.forged} messages were not signed right")
    expect(walk.receiver.refused, "the endpoint was never asked while it was away")
    return f"{len(since)} events in two feeds without a gap, all of them pushed, {walk.receiver.refused} tried again"


def _base(walk: Walk, method: str) -> str:
    return f"/v1/connections/{walk.connections[method]}"


async def _send(walk: Walk, method: str, *, to: str, subject: str) -> None:
    body = {"to": [{"address": to}], "subject": subject, "text": "See the subject."}
    sent = await walk.api("POST", f"{_base(walk, method)}/send", json=body, status=202)
    expect(sent["delivery"] == "sent", f"it is {sent['delivery']}")


async def _find(walk: Walk, method: str, subject: str) -> dict[str, Any]:
    """Return the message with this subject once it has arrived in the inbox."""
    async with asyncio.timeout(WAIT_SECONDS):
        while True:
            page = await walk.api("GET", f"{_base(walk, method)}/messages", {"limit": "10"})
            for message in page["items"]:
                if message["subject"] == subject:
                    return message
            await asyncio.sleep(_POLL_SECONDS)


async def _events(walk: Walk, method: str, window: dict[str, str]) -> list[dict[str, Any]]:
    """Return the dates of the meeting once the invitation has arrived."""
    async with asyncio.timeout(WAIT_SECONDS):
        while True:
            page = await walk.api("GET", f"{_base(walk, method)}/events", window)
            found = [each for each in page["items"] if each["subject"] == MEETING]
            if found:
                return found
            await asyncio.sleep(_POLL_SECONDS)


def _is(kind: str, name: str, object_id: str) -> Callable[[dict[str, Any]], bool]:
    return lambda event: event["type"] == kind and event["data"].get(name) == object_id


async def _told(walk: Walk, method: str, fits: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """Return the event of a feed that fits, waiting for it like any reader does."""
    cursor: str = walk.seen[f"cursor {method}"]
    async with asyncio.timeout(WAIT_SECONDS):
        while True:
            query = {"cursor": cursor, "wait": str(_LONG_POLL_SECONDS)}
            page = await walk.api("GET", f"{_base(walk, method)}/changes", query)
            for event in page["items"]:
                if fits(event):
                    return event
            cursor = page["next_cursor"]


async def _since_proven(walk: Walk, method: str) -> list[dict[str, Any]]:
    """Return what a feed tells since the endpoint was proven; fails on a gap."""
    cursor: str = walk.seen[f"cursor {method}"]
    events: list[dict[str, Any]] = []
    while True:
        page = await walk.api("GET", f"{_base(walk, method)}/changes", {"cursor": cursor})
        events += page["items"]
        cursor = page["next_cursor"]
        if not page["has_more"]:
            break
    places = [event["sequence"] for event in events]
    expect(places == list(range(places[0], places[0] + len(places))), f"the feed has a gap: {places}")
    return events


async def _pushed(walk: Walk, event_id: str) -> None:
    async with asyncio.timeout(WAIT_SECONDS):
        await walk.receiver.wait_for(event_id)
