"""Reading a mailbox over Graph: our gateway beside msgraph-sdk, O365 and bare loops."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import httpx
from readers.order import Order
from report import Part, Table, Target, run, say
from side_by_side import Contest, Runs
from stage import TENANT_ID, Stage, address_of, stage

from ostiary.core.kernel.access_method import AccessMethod

OURS: Final = "**Ostiary’s gateway**"
BARE: Final = "bare loop, httpx"
FAST_BARE: Final = "bare loop, aiohttp and orjson"
SDK: Final = "msgraph-sdk 1.65"
O365: Final = "O365 2.1"
READERS: Final[dict[str, Sequence[str]]] = {
    OURS: ("ostiary_gateway.py",),
    BARE: ("bare.py", "httpx"),
    FAST_BARE: ("bare.py", "aiohttp"),
    SDK: ("msgraph_sdk.py",),
    O365: ("o365.py",),
}
COLUMNS: Final = (
    "reader",
    "seconds, median",
    "fastest to slowest",
    "per second",
    "CPU ms per 1,000",
    "time beside ours",
)


def measure(tiny: bool) -> Part:
    """Measure; ``tiny`` proves only that it runs."""
    messages, bodies, events, rounds = (40, 8, 30, 1) if tiny else (10_000, 300, 2_000, 2)
    part = Part(
        "reading_graph",
        "Reading over Graph",
        f"One mailbox of {messages:,} messages: {bodies:,} of them one by one with bodies and the names of"
        " attachments, four at once (Microsoft’s limit for one mailbox; O365 can only one at once); then all of"
        f" them in pages of 100 (ids and headers); one calendar of {events:,} meetings, read by window in pages of"
        " 100. All readers hold the same token, ask for the same fields over plain HTTP, each in a process of its"
        f" own, in turn; after a round to warm up (bodies, events) up to {rounds} count. Our gateway asks the"
        " governor for every call, which keeps its limits in PostgreSQL.",
    )
    with stage(people=1, messages=messages) as place:
        say("Graph: signing in, filling the mailbox")
        signed_in = asyncio.run(place.sign_in(address_of(0), AccessMethod.GRAPH))
        oid = place.control("GET", f"/users/{address_of(0)}")["oid"]
        window = fill_calendar(place, signed_in.access_token, events)
        base: dict[str, Any] = {
            "url": place.emulator_url,
            "token": signed_in.access_token,
            "address": address_of(0),
            "object_id": oid,
            "tenant_id": TENANT_ID,
            "database_url": _url(place),
            "page_size": 20 if tiny else 100,
            "starts_at": window[0].isoformat(),
            "ends_at": window[1].isoformat(),
        }
        ids = message_ids(place, signed_in.access_token, bodies)
        with Contest(READERS, Order(what="messages", **base)) as contest:
            for what, title, count_rounds in (
                # Bodies first: every reader is warm afterwards, and a round of 10,000 takes the slowest a minute.
                ("bodies", "Messages with bodies, one by one", rounds),
                ("messages", "Messages, ids and headers", rounds),
                ("events", "Calendar window", rounds),
            ):
                say(f"Graph: {what}")
                order = Order(what=what, message_ids=ids, **base)
                found = contest.compare(order, rounds=count_rounds, warm_up=what != "messages")
                part.tables.append(table(f"{title}: {found[OURS].count:,}", found, OURS))
                ratio = found[OURS].median_seconds / found[BARE].median_seconds
                part.targets.append(
                    Target(f"{title}: within 1.25 × of the bare httpx loop", f"{ratio:.2f} ×", ratio <= 1.25)
                )
                faster = min(found[SDK].median_seconds, found[O365].median_seconds)
                lead = faster / found[OURS].median_seconds
                part.targets.append(
                    Target(
                        f"{title}: faster than msgraph-sdk and O365",
                        f"{lead:.1f} × the faster of the two",
                        lead > 1,
                    )
                )
    return part


def table(title: str, found: dict[str, Runs], ours: str) -> Table:
    """Return the figures of one comparison."""
    base = found[ours].median_seconds
    rows = [
        [
            name,
            f"{runs.median_seconds:.2f}",
            runs.spread,
            f"{runs.rate:,.0f}",
            f"{runs.milliseconds_of_cpu * 1000:,.0f}",
            f"{runs.median_seconds / base:.2f} ×",
        ]
        for name, runs in found.items()
    ]
    rounds = found[ours].rounds
    return Table(f"{title}, {rounds} {'round' if rounds == 1 else 'rounds'}", COLUMNS, rows)


def message_ids(place: Stage, token: str, count: int, *, immutable: bool = True) -> tuple[str, ...]:
    """Return ids of the newest messages. EWS takes the ordinary ids of Graph, not the immutable ones."""
    headers = {"Authorization": f"Bearer {token}"}
    if immutable:
        headers["Prefer"] = 'IdType="ImmutableId"'
    answer = httpx.get(
        f"{place.emulator_url}/v1.0/me/messages?$select=id&$top={count}",
        headers=headers,
        trust_env=False,
        timeout=60,
    )
    return tuple(each["id"] for each in answer.json()["value"])


def fill_calendar(place: Stage, token: str, count: int) -> tuple[datetime, datetime]:
    """Put daily meetings on an empty stretch of the calendar; return a window that holds ``count`` of them."""
    days = min(count // 5, 400)
    start = datetime(2028, 1, 3, tzinfo=UTC)
    with httpx.Client(
        base_url=f"{place.emulator_url}/v1.0",
        headers={"Authorization": f"Bearer {token}"},
        trust_env=False,
        timeout=60,
    ) as graph:
        for number in range(count // days):
            day = start.date().isoformat()
            event = {
                "subject": f"Daily {number}",
                "body": {"contentType": "html", "content": "<p>Every day, with the same people.</p>"},
                "start": {"dateTime": f"{day}T{8 + number:02}:00:00", "timeZone": "UTC"},
                "end": {"dateTime": f"{day}T{8 + number:02}:30:00", "timeZone": "UTC"},
                "location": {"displayName": "Room 4"},
                "recurrence": {
                    "pattern": {"type": "daily", "interval": 1},
                    "range": {"type": "numbered", "startDate": day, "numberOfOccurrences": days},
                },
            }
            graph.post("/me/events", json=event).raise_for_status()
    return start, start + timedelta(days=days + 1)


def _url(place: Stage) -> str:
    assert place.settings.database_url is not None
    return place.settings.database_url.get_secret_value()


if __name__ == "__main__":
    run(measure)
