"""Taking Microsoft's notifications: our endpoint beside a bare one that stores one row."""

from __future__ import annotations

import asyncio
import json
import statistics
import subprocess
import sys
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from report import Part, Table, Target, percentile, run, say
from stage import Stage, add_organization, end, free_port, opened, product, stage, until_ready
from subscribed import Subscribed, add_row, subscribe

HERE = Path(__file__).parent


def measure(tiny: bool) -> Part:
    """Measure; ``tiny`` proves only that it runs."""
    connections, seconds, rounds, steady = (3, 0.5, 1, 1) if tiny else (100, 4, 3, 10)
    with stage() as place:
        say("ingest: preparing")
        subscribed = asyncio.run(_prepare(place, connections))
        with product(place, "serve") as ours, _bare(place) as (bare, bare_url):
            asyncio.run(until_ready(f"{place.settings.public_url}/readyz", ours))
            asyncio.run(until_ready(bare_url, bare))
            posts = [(each.url, each.post(f"AAkALg{number:06}")) for number, each in enumerate(subscribed)]
            targets = {"**Ostiary**": posts, "bare endpoint": [(bare_url, body) for _, body in posts]}
            most: dict[str, list[dict[str, Any]]] = {name: [] for name in targets}
            for turn in range(rounds):
                for name, listed in targets.items():
                    say(f"ingest: as much as it takes, {name}, round {turn + 1}")
                    most[name].append(_load(posts=listed, seconds=seconds, at_once=64))
            at_300: dict[str, dict[str, Any]] = {}
            for name, listed in targets.items():
                say(f"ingest: 300 a second, {name}")
                at_300[name] = _load(posts=listed, seconds=steady, per_second=30 if tiny else 300)
            say("ingest: one tenant floods")
            calm, flood = posts[: len(posts) // 2], posts[len(posts) // 2 :]
            others = 10 if tiny else 100
            with ThreadPoolExecutor() as pool:
                flooding = pool.submit(_load, posts=flood, seconds=steady, per_second=10 * others)
                beside = _load(posts=calm, seconds=steady, per_second=others)
                flooded = flooding.result()
    part = _part(most, at_300, connections=connections, seconds=seconds, rounds=rounds, steady=steady)
    _add_flood(part, beside, flooded, others)
    return part


def _add_flood(part: Part, beside: dict[str, Any], flooded: dict[str, Any], others: int) -> None:
    part.tables.append(
        Table(
            f"One tenant at {10 * others:,} a second, the others together at {others}",
            ("", "p50 ms", "p99 ms", "slowest ms", "failed"),
            [
                [
                    name,
                    f"{percentile(each['milliseconds'], 50):.1f}",
                    f"{percentile(each['milliseconds'], 99):.1f}",
                    f"{max(each['milliseconds']):.0f}",
                    str(each["failed"]),
                ]
                for name, each in (("the others", beside), ("the one that floods", flooded))
            ],
        )
    )
    p99 = percentile(beside["milliseconds"], 99)
    part.targets.append(
        Target(
            "SR-89: beside a tenfold flood of one tenant the others’ p99 < 1 s",
            f"{p99:.0f} ms",
            p99 < 1000 and not beside["failed"],
        )
    )


def _part(
    most: dict[str, list[dict[str, Any]]],
    at_300: dict[str, dict[str, Any]],
    *,
    connections: int,
    seconds: float,
    rounds: int,
    steady: float,
) -> Part:
    part = Part(
        "ingest",
        "Notification ingest (FG-6, shortened)",
        "One process of `ostiary serve` and one of uvicorn with a bare ASGI application (parse, one durable"
        " INSERT by psycopg, 202), on the same PostgreSQL with default durability; the posts come from a third"
        f" process, one notification each, for {connections} subscriptions in turn. First as many as are answered,"
        f" 64 at once, {rounds} rounds of {seconds:g} s, in turn; then 300 a second for {steady:g} s. FG-6 itself"
        " asks for 10 minutes at 300 a second and 30 s at 1,000.",
    )
    rows, rates = [], {}
    for name, runs in most.items():
        found = [each["count"] / each["seconds"] for each in runs]
        rates[name] = statistics.median(found)
        delays = [value for each in runs for value in each["milliseconds"]]
        rows.append(
            [
                name,
                f"{rates[name]:,.0f}",
                f"{min(found):,.0f} to {max(found):,.0f}",
                f"{percentile(delays, 50):.0f}",
                f"{percentile(delays, 99):.0f}",
                str(sum(each["failed"] for each in runs)),
            ]
        )
    part.tables.append(
        Table(
            "As many as are answered, 64 at once",
            ("", "posts a second, median", "slowest to fastest round", "p50 ms", "p99 ms", "failed"),
            rows,
        )
    )
    part.tables.append(
        Table(
            "300 a second",
            ("", "p50 ms", "p99 ms", "slowest ms", "over 2.9 s", "failed"),
            [
                [
                    name,
                    f"{percentile(each['milliseconds'], 50):.1f}",
                    f"{percentile(each['milliseconds'], 99):.1f}",
                    f"{max(each['milliseconds']):.0f}",
                    str(sum(value > 2900 for value in each["milliseconds"])),
                    str(each["failed"]),
                ]
                for name, each in at_300.items()
            ],
        )
    )
    ratio = rates["**Ostiary**"] / rates["bare endpoint"]
    p99 = percentile(at_300["**Ostiary**"]["milliseconds"], 99)
    part.targets.append(
        Target("Ingest: at least half the rate of the bare endpoint", f"{ratio:.2f} ×", ratio >= 0.5)
    )
    part.targets.append(Target("Ingest: p99 < 250 ms at 300 a second", f"{p99:.0f} ms", p99 < 250))
    return part


async def _prepare(place: Stage, count: int) -> list[Subscribed]:
    async with opened(place) as services:
        await add_organization(services)
        # The first half belongs to tenants of their own, the second half to the one that floods.
        return [
            await subscribe(
                services,
                await add_row(services, number),
                tenant_id=str(uuid.UUID(int=number)) if number < count // 2 else None,
            )
            for number in range(count)
        ]


def _load(**order: Any) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, str(HERE / "load.py")],
        input=json.dumps(order) + "\n",
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return json.loads(done.stdout)


class _bare:  # noqa: N801 - used like a function
    """The bare endpoint, running."""

    def __init__(self, place: Stage) -> None:
        self._place = place
        port = free_port()
        self._url = f"http://127.0.0.1:{port}/"
        self._process = subprocess.Popen(
            [sys.executable, str(HERE / "bare_endpoint.py"), str(port)],
            env=place.environment(BARE_DATABASE_URL=place.owner_url),
        )

    def __enter__(self) -> tuple[subprocess.Popen[bytes], str]:
        return self._process, self._url

    def __exit__(self, *_: object) -> None:
        end(self._process)


if __name__ == "__main__":
    run(measure)
