"""Every call of the API and every page, tried by everybody who may come to the door (SR-70).

``make fuzz-api``; ``FUZZ_SECONDS`` is how long it takes, ``FUZZ_SEED`` makes another run of it.
"""

from __future__ import annotations

import asyncio
import os
import random
import re
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

import ostiary.entrypoints
from ostiary.core.access.model import API_PERMISSIONS, Permission
from ostiary.entrypoints.web.permissions import SAFE_METHODS

from ..api_fuzzing import Fuzzer
from .conftest import SECONDS, Caller, World

START = int(os.environ.get("FUZZ_SEED", "1"))
CALLS_IN_A_ROUND = 3
API_SHARE = 0.8
"""Of the time; the rest goes to pages."""
USEFUL = API_PERMISSIONS - {Permission.METRICS_READ}


ENDINGS = ("/disconnect", "/erase", "/freezes", "/lift", "/pause")
"""Calls after which the mailbox can be used no more: they come last."""


# Two access methods share the time; the rest is for one round more than fits.
@pytest.mark.timeout(SECONDS + 1200)
async def test_no_caller_finds_a_server_error_or_an_undeclared_answer(world: World) -> None:
    fuzzers = {each.name: await api_fuzzer(world, each) for each in world.callers}
    operations = {name: fuzzer.operations() for name, fuzzer in fuzzers.items()}
    failures: dict[str, str] = {}
    until = time.monotonic() + SECONDS / 2 * API_SHARE
    rounds = 0

    async def try_out(name: str, operation: Any) -> None:
        try:
            await asyncio.to_thread(
                fuzzers[name].try_out, operation, times=CALLS_IN_A_ROUND, start=START * 1000 + rounds
            )
        except (BaseExceptionGroup, AssertionError) as error:
            failures[f"{operation.method} {operation.path} as {name}"] = summary(error)

    while rounds == 0 or time.monotonic() < until:
        for caller in world.callers:
            # Whoever may do nothing gets one kind of answer: once is enough.
            if rounds and not caller.permissions & USEFUL:
                continue
            for operation in operations[caller.name]:
                if not operation.path.endswith(ENDINGS) and (not rounds or time.monotonic() < until):
                    await try_out(caller.name, operation)
        rounds += 1
    for caller in world.callers:
        for operation in operations[caller.name]:
            if operation.path.endswith(ENDINGS):
                await try_out(caller.name, operation)
    for name, fuzzer in fuzzers.items():
        print(f"{name}: {sum(fuzzer.answered.values())} answers {dict(sorted(fuzzer.answered.items()))}")
    assert not failures, "\n\n".join(f"{where}\n{what}" for where, what in failures.items())
    assert fuzzers["key with everything"].answered[200] > 50, "it gets past the door"


async def api_fuzzer(world: World, caller: Caller) -> Fuzzer:
    headers = dict(caller.headers)
    if caller.role is not None:
        headers["Cookie"] = await world.session(caller.role)

    def judge(method: str, path: str, status: int) -> None:
        may = world.table[method, path] in caller.permissions and "Authorization" in headers
        assert may or status >= 400, f"{status} without the permission"

    return Fuzzer(world.document, world.site, headers, world.known, judge)


def summary(error: BaseException) -> str:
    if isinstance(error, BaseExceptionGroup):
        return "\n".join(summary(each) for each in error.exceptions)
    return str(error)[:1500]


TEMPLATES = Path(ostiary.entrypoints.__file__).parent
FIELDS = sorted(
    {
        name
        for file in TEMPLATES.rglob("*.html*")
        for name in re.findall(r'name="([a-z_0-9]+)"', file.read_text("utf-8"))
    }
)
ODD_TEXTS = (
    "",
    " ",
    "0",
    "-1",
    "on",
    "true",
    "org_1",
    "mem_1",
    "2026-11-24",
    "99999999999999999999",
    "\x00",
    "a\r\nb",
    "\u202e\U0001f600" * 40,
    "'; --",
    "<b>x</b>",
    "../..",
    "%00%ff",
    "someone@harbourvale.example",
    "x" * 5000,
)


@pytest.mark.timeout(SECONDS + 1200)
async def test_no_page_fails_whoever_asks_with_whatever(world: World, client: httpx.AsyncClient) -> None:
    dice = random.Random(START)
    assert len(FIELDS) > 30
    pages = sorted(
        each for each in world.table if not each[1].startswith("/v1/") and "sign-out" not in each[1]
    )
    until = time.monotonic() + SECONDS / 2 * (1 - API_SHARE)
    answered: dict[int, int] = {}
    failures: list[str] = []
    rounds = 0
    while rounds == 0 or time.monotonic() < until:
        for caller in world.callers:
            cookie = await world.session(caller.role) if caller.role else caller.headers.get("Cookie", "")
            token, cookie = await form_token(client, world.site, cookie)
            for method, path in pages:
                if rounds and time.monotonic() > until:
                    break
                request = odd_request(dice, method, path, world, token)
                answer = await client.request(
                    method, f"{world.site}{request.pop('path')}", headers={"Cookie": cookie}, **request
                )
                answered[answer.status_code] = answered.get(answer.status_code, 0) + 1
                if answer.status_code >= 500 or "Traceback" in answer.text:
                    failures.append(
                        f"{answer.status_code} {method} {path} as {caller.name}: {request}"[:1500]
                    )
                # Whoever is on this machine may look at the metrics.
                free = {Permission.PUBLIC, Permission.METRICS_READ}
                may = world.table[method, path] in caller.permissions | free
                if answer.is_success and not may:
                    failures.append(f"{answer.status_code} {method} {path} as {caller.name}: not allowed")
        rounds += 1
    print(f"pages: {sum(answered.values())} answers {dict(sorted(answered.items()))}")
    assert not failures, "\n".join(failures)
    assert answered[200] > 100


async def form_token(client: httpx.AsyncClient, site: str, cookie: str) -> tuple[str, str]:
    """Look at a page with a form; returns its anti-forgery token and the cookies that fit it."""
    answer = await client.get(f"{site}/trust", headers={"Cookie": cookie})
    for line in answer.headers.get_list("set-cookie"):
        pair = line.partition(";")[0]
        cookie = f"{cookie}; {pair}" if cookie else pair
    client.cookies.clear()
    found = re.search(r'name="csrf_token" value="([^"]+)"', answer.text)
    return ("" if found is None else found[1]), cookie


def odd_request(dice: random.Random, method: str, path: str, world: World, token: str) -> dict[str, Any]:
    def value(name: str) -> str:
        known = world.known.get(name)
        return dice.choice(known) if known and dice.random() < 0.7 else dice.choice(ODD_TEXTS)

    def in_path(name: str) -> str:
        known = world.known.get(name)
        if known and dice.random() < 0.8:
            return dice.choice(known)
        return dice.choice(("x", "%00", "%F0%9F%98%80", "..%2f..", "0" * 300))

    address = re.sub(r"\{(\w+)(?::\w+)?\}", lambda match: in_path(match[1]), path)
    fields = {name: value(name) for name in dice.sample(FIELDS, dice.randrange(8))}
    if method in SAFE_METHODS:
        return {"path": address, "params": fields}
    return {"path": address, "data": {**fields, "csrf_token": token}}
