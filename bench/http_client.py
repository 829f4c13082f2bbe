"""aiohttp against httpx, side by side on loopback: one process serves, one asks. Prints ratios, which travel
between machines better than rates do.

Run: make bench-choices
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable

import aiohttp
import httpx
import orjson

PAGE = orjson.dumps({"value": [{"id": str(n), "subject": "x" * 40, "preview": "y" * 255} for n in range(50)]})
"""As large as a Graph page of 50 messages with a few fields."""

SERVER = """
import asyncio, sys
BODY = sys.stdin.buffer.read()
HEAD = b"HTTP/1.1 200 OK\\r\\nContent-Type: application/json\\r\\nContent-Length: %d\\r\\n\\r\\n" % len(BODY)
class Answer(asyncio.Protocol):
    def connection_made(self, transport): self.transport = transport; self.seen = b""
    def data_received(self, data):
        self.seen += data
        while b"\\r\\n\\r\\n" in self.seen:
            _, _, self.seen = self.seen.partition(b"\\r\\n\\r\\n")
            self.transport.write(HEAD + BODY)
async def main():
    server = await asyncio.get_running_loop().create_server(Answer, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.sleep(600)
asyncio.run(main())
"""

Ask = Callable[[], Awaitable[object]]


async def rate(ask: Ask, *, calls: int, at_once: int) -> tuple[float, float]:
    """Return calls per second, and CPU milliseconds of this process per call."""
    left = iter(range(calls))

    async def caller() -> None:
        for _ in left:
            await ask()

    cpu, began = time.process_time(), time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(at_once)))
    seconds = time.perf_counter() - began
    return calls / seconds, (time.process_time() - cpu) * 1000 / calls


async def measure(url: str, *, calls: int, at_once: int, rounds: int) -> dict[str, list[tuple[float, float]]]:
    results: dict[str, list[tuple[float, float]]] = {"aiohttp": [], "httpx": []}
    async with aiohttp.ClientSession() as session, httpx.AsyncClient() as client:

        async def with_aiohttp() -> object:
            async with session.get(url) as response:
                return orjson.loads(await response.read())

        async def with_httpx() -> object:
            return orjson.loads((await client.get(url)).content)

        for ask in (with_aiohttp, with_httpx):
            await rate(ask, calls=50, at_once=at_once)  # opens the connections
        # Interleaved, so that a busy moment of the machine hits both.
        for _ in range(rounds):
            results["aiohttp"].append(await rate(with_aiohttp, calls=calls, at_once=at_once))
            results["httpx"].append(await rate(with_httpx, calls=calls, at_once=at_once))
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    server = subprocess.Popen([sys.executable, "-c", SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert server.stdin is not None
    assert server.stdout is not None
    try:
        server.stdin.write(PAGE)
        server.stdin.close()
        url = f"http://127.0.0.1:{int(server.stdout.readline())}/page"
        print(
            f"{len(PAGE) / 1024:.0f} KB of JSON per answer, parsed with orjson; medians of {options.rounds} rounds"
        )
        print("in flight   aiohttp calls/s   httpx calls/s   ratio   CPU per call: aiohttp, httpx, ratio")
        for at_once in (1, 10, 50):
            found = asyncio.run(measure(url, calls=options.calls, at_once=at_once, rounds=options.rounds))
            rates = {name: statistics.median(each[0] for each in rows) for name, rows in found.items()}
            costs = {name: statistics.median(each[1] for each in rows) for name, rows in found.items()}
            print(
                f"{at_once:9}   {rates['aiohttp']:15.0f}   {rates['httpx']:13.0f}   "
                f"{rates['aiohttp'] / rates['httpx']:4.1f}×   "
                f"{costs['aiohttp']:.2f} ms, {costs['httpx']:.2f} ms, {costs['httpx'] / costs['aiohttp']:.1f}×"
            )
    finally:
        server.terminate()
        server.wait(10)


if __name__ == "__main__":
    main()
