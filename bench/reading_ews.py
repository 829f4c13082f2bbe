"""Reading a mailbox over EWS: our gateway beside exchangelib."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final

from readers.order import Order
from reading_graph import OURS, _url, fill_calendar, message_ids, table
from report import Part, Target, run, say
from side_by_side import Contest
from stage import TENANT_ID, address_of, stage

from ostiary.core.kernel.access_method import AccessMethod

THEIRS: Final = "exchangelib 5.6"
READERS: Final[dict[str, Sequence[str]]] = {
    OURS: ("ostiary_gateway.py",),
    THEIRS: ("exchangelib_account.py",),
}


def measure(tiny: bool) -> Part:
    """Measure; ``tiny`` proves only that it runs."""
    messages, bodies, events, rounds = (60, 8, 30, 1) if tiny else (10_000, 1_000, 500, 3)
    part = Part(
        "reading_ews",
        "Reading over EWS",
        f"The inbox of a mailbox of {messages:,} messages, in pages of 100 (FindItem, and GetItem for what"
        f" FindItem cannot give, as both do); {bodies:,} messages with bodies, which our gateway gets 50 in a call,"
        " as `messages/batch-get` does, and four calls at once, and exchangelib in batches of 100, one after the"
        f" other; a calendar window of {events:,} meetings, which Exchange gives in one answer (above 1,000 it"
        " gives none). Both hold the same token, ask for the same fields over plain HTTP, each"
        f" in a process of its own, in turn; after one round to warm up {rounds} count.",
    )
    with stage(people=1, messages=messages) as place:
        say("EWS: signing in, filling the mailbox")
        signed_in = asyncio.run(place.sign_in(address_of(0), AccessMethod.EWS))
        on_graph = asyncio.run(place.sign_in(address_of(0), AccessMethod.GRAPH))
        oid = place.control("GET", f"/users/{address_of(0)}")["oid"]
        window = fill_calendar(place, on_graph.access_token, events)
        ids = message_ids(place, on_graph.access_token, bodies, immutable=False)
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
            "method": "ews",
        }
        with Contest(READERS, Order(what="messages", **base)) as contest:
            for what, title in (
                ("messages", "Messages of the inbox, ids and headers"),
                ("bodies", "Messages with bodies"),
                ("events", "Calendar window"),
            ):
                say(f"EWS: {what}")
                found = contest.compare(Order(what=what, message_ids=ids, **base), rounds=rounds)
                part.tables.append(table(f"{title}: {found[OURS].count:,}", found, OURS))
                ratio = found[THEIRS].median_seconds / found[OURS].median_seconds
                part.targets.append(
                    Target(f"{title}: at least 5 × exchangelib", f"{ratio:.1f} ×", ratio >= 5)
                )
    return part


if __name__ == "__main__":
    run(measure)
