"""Throws broken SOAP at EWS and watches that every answer is one the service documents.

    cd emulator/tests && python -m fuzz.soap_mutator --seconds 600 --seed 1

Valid requests of every operation are taken apart, bent and put together again, at random but the same way for the
same seed. An answer counts as a failure when it is neither HTTP 200 nor a SOAP fault, when it reports an internal
error, when it breaks Microsoft's schema (if that is at hand), or when it took longer than five seconds.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import random
import sys
import time
from collections import Counter
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field

import httpx
from lxml import etree
from starlette.applications import Starlette

from ews_conformance import Check, find_check
from fuzz.soap_corpus import CLOSE, OPEN, TOM, corpus
from m365_emulator import ews
from m365_emulator.entra.tokens import issue_access_token
from m365_emulator.ews.state import state_of
from m365_emulator.world.keys import KeyRing
from m365_emulator.world.world import World

VENDOR_APP = "4f6c1d0e-7b52-4c1b-9a55-20d1b6f0c3aa"
SLOW_SECONDS = 5.0
# A world is made anew after so many requests, before mutations have emptied it.
REQUESTS_PER_WORLD = 400

NASTY_TEXTS = (
    "",
    " ",
    "0",
    "-1",
    "1",
    "true",
    "99999999999999999999",
    "-2147483649",
    "1e309",
    "NaN",
    "null",
    "0x",
    "0xFFFF",
    "AAMk",
    "A" * 4000,
    "AAAA" * 200,
    "2027-01-01T00:00:00Z",
    "9999-12-31T23:59:59-14:00",
    "0001-01-01T00:00:00+14:00",
    "2027-02-30T25:61:00",
    "0000-00-00",
    "PT1H",
    "\u202e",
    "\U0001f4a9",
    "'\"><x/>&amp;",
    "../../etc/passwd",
    "%s%n%x",
    "item:Subject",
    "folder:DisplayName",
    "calendar:Recurrence",
    "inbox",
    "calendar",
    "Monday",
    "SendToNone",
    "dana.okafor@harbourvale.example",
    "@",
)


@dataclass(slots=True)
class Report:
    """What a run found."""

    requests: int = 0
    statuses: Counter[int] = field(default_factory=Counter[int])
    codes: Counter[str] = field(default_factory=Counter[str])
    slowest_seconds: float = 0.0
    failures: list[str] = field(default_factory=list[str])

    def __str__(self) -> str:
        common = ", ".join(f"{code} {count}" for code, count in self.codes.most_common(12))
        return (
            f"{self.requests} requests, statuses {dict(self.statuses)}, slowest {self.slowest_seconds:.2f} s, "
            f"{len(self.failures)} failures\nmost common codes: {common}"
        )


class Target:
    """One world with EWS in front of it, called in this process."""

    def __init__(self, keyring: KeyRing, seed: int) -> None:
        self.world = World(seed=seed, keyring=keyring)
        state_of(self.world).strict_schema = seed % 2 == 1
        user = self.world.find_user(TOM)
        mailbox = self.world.find_mailbox(TOM)
        assert user is not None
        assert mailbox is not None
        self.corpus = [f"{OPEN}{body}{CLOSE}".encode() for body in corpus(mailbox)]
        token, _ = issue_access_token(
            self.world,
            tenant=user.tenant,
            app=self.world.apps[VENDOR_APP],
            audience="https://outlook.office365.com",
            authentication="1",
            user=user,
            scopes=["EWS.AccessAsUser.All"],
        )
        self._client = httpx.AsyncClient(
            transport=httpx.ASGITransport(
                Starlette(routes=ews.routes(self.world)), raise_app_exceptions=False
            ),
            base_url="http://localhost",
            headers={"Authorization": f"Bearer {token}"},
        )

    async def post(self, content: bytes) -> httpx.Response:
        return await self._client.post("/EWS/Exchange.asmx", content=content)

    async def close(self) -> None:
        await self._client.aclose()


class Mutator:
    """Bends requests at random."""

    def __init__(self, rng: random.Random, texts: list[bytes]) -> None:
        self._rng = rng
        self._trees = [etree.fromstring(text) for text in texts]

    def next(self) -> bytes:
        """Return one more broken request."""
        tree = deepcopy(self._rng.choice(self._trees))
        for _ in range(self._rng.choice((1, 1, 1, 2, 3, 6))):
            self._rng.choice(self._TREE_CHANGES)(self, tree)
        content = etree.tostring(tree)
        if self._rng.random() < 0.12:
            content = self._bytes(content)
        return content

    def _node(self, tree: etree._Element) -> etree._Element:
        return self._rng.choice(list(tree.iter(etree.Element)))

    def _text(self, tree: etree._Element) -> None:
        self._node(tree).text = self._nasty()

    def _attribute(self, tree: etree._Element) -> None:
        with_attributes = [node for node in tree.iter(etree.Element) if node.attrib]
        if with_attributes:
            node = self._rng.choice(with_attributes)
            node.set(self._rng.choice(list(node.attrib)), self._nasty())

    def _drop_attribute(self, tree: etree._Element) -> None:
        node = self._node(tree)
        if node.attrib:
            del node.attrib[self._rng.choice(list(node.attrib))]

    def _drop(self, tree: etree._Element) -> None:
        node = self._node(tree)
        parent = node.getparent()
        if parent is not None:
            parent.remove(node)

    def _double(self, tree: etree._Element) -> None:
        node = self._node(tree)
        parent = node.getparent()
        if parent is not None:
            for _ in range(self._rng.choice((1, 1, 30))):
                parent.append(deepcopy(node))

    def _rename(self, tree: etree._Element) -> None:
        node, other = self._node(tree), self._node(tree)
        node.tag = other.tag

    def _swap(self, tree: etree._Element) -> None:
        node = self._node(tree)
        if len(node) > 1:
            node.insert(0, node[-1])

    def _graft(self, tree: etree._Element) -> None:
        other = self._node(deepcopy(self._rng.choice(self._trees)))
        self._node(tree).append(other)

    def _nest(self, tree: etree._Element) -> None:
        node = self._node(tree)
        inner = node
        for _ in range(self._rng.choice((2, 40, 200))):
            inner = etree.SubElement(inner, node.tag)

    _TREE_CHANGES: tuple[Callable[[Mutator, etree._Element], None], ...] = (
        _text,
        _text,
        _attribute,
        _attribute,
        _drop_attribute,
        _drop,
        _double,
        _rename,
        _swap,
        _graft,
        _nest,
    )

    def _nasty(self) -> str:
        return self._rng.choice(NASTY_TEXTS)

    def _bytes(self, content: bytes) -> bytes:
        at = self._rng.randrange(len(content))
        match self._rng.randrange(5):
            case 0:
                return content[:at]
            case 1:
                return content[:at] + bytes([self._rng.randrange(256)]) + content[at + 1 :]
            case 2:
                return content[:at] + self._rng.randbytes(8) + content[at:]
            case 3:
                return content.decode("utf-8").encode("utf-16")
            case _:
                return b'<!DOCTYPE x [<!ENTITY a "b">]>' + content


async def run(
    *,
    seed: int,
    requests: int | None = None,
    seconds: float | None = None,
    violations: Check | None = None,
) -> Report:
    """Send mutated requests until a number of them or a time is reached, and report what came back."""
    report = Report()
    rng = random.Random(seed)
    keyring = KeyRing()
    began = time.monotonic()
    world_number = 0
    while True:
        target = Target(keyring, seed * 1000 + world_number)
        world_number += 1
        mutator = Mutator(rng, target.corpus)
        if world_number == 1:
            # What is not broken must work: otherwise the mutations would prove nothing.
            for content in target.corpus:
                await _one(target, content, report, violations, must_work=True)
            await target.close()
            continue
        for _ in range(REQUESTS_PER_WORLD):
            if (requests is not None and report.requests >= requests) or (
                seconds is not None and time.monotonic() - began >= seconds
            ):
                await target.close()
                return report
            await _one(target, mutator.next(), report, violations)
        await target.close()


async def _one(
    target: Target,
    content: bytes,
    report: Report,
    violations: Check | None,
    *,
    must_work: bool = False,
) -> None:
    started = time.perf_counter()
    response = await target.post(content)
    took = time.perf_counter() - started
    report.requests += 1
    report.statuses[response.status_code] += 1
    report.slowest_seconds = max(report.slowest_seconds, took)
    problem = _problem(response, violations)
    if must_work and response.status_code != 200:
        problem = problem or f"a valid request got {response.status_code}"
    if took > SLOW_SECONDS:
        problem = problem or f"took {took:.1f} s"
    for code in _codes(response.content):
        report.codes[code] += 1
    if problem:
        shown = content if len(content) < 3000 else content[:3000] + b"..."
        report.failures.append(f"{problem}\n  request: {shown!r}\n  answer: {response.content[:600]!r}")


def _codes(content: bytes) -> list[str]:
    try:
        root = etree.fromstring(content)
    except etree.XMLSyntaxError:
        return []
    return [node.text or "" for node in root.iter("{*}ResponseCode")]


def _problem(response: httpx.Response, violations: Check | None) -> str | None:
    if response.status_code not in {200, 500}:
        return f"status {response.status_code}"
    codes = _codes(response.content)
    if not codes:
        return "no response code in the answer"
    if "ErrorInternalServerError" in codes:
        return "an internal error"
    if response.status_code == 500 and b"<s:Fault>" not in response.content:
        return "a 500 without fault"
    broken = violations(response.content) if violations else []
    return f"breaks the schema: {broken[0]}" if broken else None


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description="Fuzz the emulator's EWS with broken SOAP.")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    logging.basicConfig(level=logging.CRITICAL)
    report = asyncio.run(run(seed=options.seed, seconds=options.seconds, violations=find_check()))
    for failure in report.failures[:20]:
        print(failure)
    print(report)
    return 1 if report.failures else 0


if __name__ == "__main__":
    sys.exit(main())
