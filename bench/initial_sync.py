"""The first reading of a mailbox: until the first message is told of, and until everything is known."""

from __future__ import annotations

import asyncio
import statistics
import time
from dataclasses import dataclass
from urllib.parse import quote

import aiohttp
import orjson
from report import Part, Table, run, say
from stage import Stage, add_organization, address_of, connect, opened, stage
from yarl import URL

from ostiary.adapters.graph.codec.changes import MESSAGE_FIELDS
from ostiary.bootstrap import Services
from ostiary.core.connections.model import Connection
from ostiary.core.kernel.access_method import AccessMethod
from ostiary.core.sync.model import Stage as SyncStage
from ostiary.core.sync.model import SyncSettings

_YEARS = 3650


@dataclass(frozen=True, slots=True)
class FirstReading:
    """What one first reading took, in seconds."""

    first: float
    done: float
    events: int
    cpu: float


def measure(tiny: bool) -> Part:
    """Measure; ``tiny`` proves only that it runs."""
    messages, rounds = (40, 1) if tiny else (3_000, 2)
    part = Part(
        "initial_sync",
        "Initial sync",
        f"A mailbox of {messages:,} messages and its calendar. A member connects; a worker reads folder tree,"
        " every folder and the calendar by delta queries, stores ids and versions, and appends one event to the"
        " feed for each message (the backfill window is set to ten years, so that all are told of; the default is"
        " shorter). The comparison is a bare aiohttp loop that asks for the same delta pages of mail and parses"
        " them.",
    )
    found: dict[str, list[FirstReading]] = {"graph": [], "ews": []}
    bare: list[float] = []
    with stage(people=2 * rounds, messages=messages) as place:
        for turn in range(rounds):
            for offset, method in enumerate((AccessMethod.GRAPH, AccessMethod.EWS)):
                say(f"initial sync: {method.value}, round {turn + 1}")
                found[method.value].append(
                    asyncio.run(
                        _first_reading(place, 2 * turn + offset, method, is_first=not turn and not offset)
                    )
                )
            say(f"initial sync: the bare loop, round {turn + 1}")
            bare.append(asyncio.run(_bare_loop(place, 2 * turn)))
    rows = []
    for method, readings in found.items():
        done = statistics.median(each.done for each in readings)
        rows.append(
            [
                f"**Ostiary over {method}**",
                f"{statistics.median(each.first for each in readings):.2f}",
                f"{done:.2f}",
                f"{min(each.done for each in readings):.2f} to {max(each.done for each in readings):.2f}",
                f"{readings[0].events / done:,.0f}",
                f"{statistics.median(each.cpu for each in readings) * 1000 / readings[0].events:.2f}",
            ]
        )
    rows.append(
        ["bare delta loop over graph", "–", f"{statistics.median(bare):.2f}", f"{min(bare):.2f} to {max(bare):.2f}",
         f"{messages / statistics.median(bare):,.0f}", "–"]
    )  # fmt: skip
    columns = (
        "",
        "first event, s",
        "done, s",
        "fastest to slowest",
        "messages a second",
        "CPU ms a message, worker",
    )
    part.tables.append(Table(f"{messages:,} messages", columns, rows))
    return part


async def _first_reading(place: Stage, number: int, method: AccessMethod, *, is_first: bool) -> FirstReading:
    async with opened(place, backfill_days=_YEARS) as services:
        if is_first:
            await add_organization(services)
        connection = await connect(services, place, number, method)
        # The emulator makes a mailbox when it is first opened; that is not ours to measure.
        await services.connections.tokens.get(connection.id)
        await _open_mailbox(services, connection)
        began, cpu = time.perf_counter(), time.process_time()
        watching = asyncio.create_task(_first_event(services, connection.id, began))
        while await services.sync.read_due():
            pass
        done = time.perf_counter() - began
        cpu = time.process_time() - cpu
        progress = await services.sync.progress(connection.id)
        if not progress or any(each.stage is not SyncStage.LIVE for each in progress):
            raise RuntimeError(f"the first reading did not end: {progress}")
        first = await watching
        async with services.transactions() as tx:
            head = await tx.feed.head(connection.id)
        return FirstReading(first, done, head.last, cpu)


async def _open_mailbox(services: Services, connection: Connection) -> None:
    await services.mail.list_folders(connection.id, organization_id=None)


async def _first_event(services: Services, connection_id: str, began: float) -> float:
    cursor = (await services.feed.newest(connection_id)).cursor
    while True:
        page = await services.feed.wait(connection_id, cursor=cursor, limit=1, seconds=20)
        cursor = page.cursor
        if any(event.type.value.startswith("message.") for event in page.events):
            return time.perf_counter() - began


async def _bare_loop(place: Stage, number: int) -> float:
    token = (await place.sign_in(address_of(number), AccessMethod.GRAPH)).access_token
    page_size = SyncSettings().page_size
    headers = {
        "Authorization": f"Bearer {token}",
        "Prefer": f'IdType="ImmutableId", odata.maxpagesize={page_size}',
    }
    began = time.perf_counter()
    async with aiohttp.ClientSession(headers=headers, raise_for_status=True) as session:

        async def get(url: str) -> dict[str, object]:
            async with session.get(URL(url, encoded=True)) as answer:
                return orjson.loads(await answer.read())

        root = f"{place.emulator_url}/v1.0/me/mailFolders"
        tree = await get(f"{root}/delta?$select=id")
        folders = tree["value"]
        assert isinstance(folders, list)
        for folder in folders:
            url: object = f"{root}/{quote(folder['id'], safe='')}/messages/delta?$select={MESSAGE_FIELDS}"
            while isinstance(url, str):
                url = (await get(url)).get("@odata.nextLink")
    return time.perf_counter() - began


if __name__ == "__main__":
    run(measure)
