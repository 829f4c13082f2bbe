"""Generated states and returns: none completes anything but the one that was begun (SR-1, SR-5, FG-12)."""

from __future__ import annotations

import contextlib
import os
import random
import string
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import pytest

from ostiary.core.audit.model import Actor
from ostiary.core.kernel.errors import FlowRejected
from ostiary.core.kernel.secret import Secret
from ostiary.core.signin.derivation import secret_hash
from ostiary.core.signin.model import FlowKind
from ostiary.core.signin.service import SignInService

if TYPE_CHECKING:
    from ostiary.adapters.memory.authorization_server import MemoryAuthorizationServer
    from ostiary.adapters.sql.unit_of_work import SQLTransactions

FORGERIES = int(os.environ.get("FORGERIES", "300"))
PENDING = 20
"""Sign-ins under way at once: what is nearly one of their states may not be any other of them either."""
TOGETHER = 1_000
"""Forgeries that share a transaction, or a hundred thousand of them would spend most of an hour on commits."""
ALPHABET = string.ascii_letters + string.digits + "-_"


def near(state: str, draw: random.Random) -> str:
    """A text that is nearly the state, and never it."""
    at = draw.randrange(len(state))
    forged = draw.choice(
        [
            state[:at] + draw.choice(ALPHABET) + state[at + 1 :],
            state[:at] + state[at + 1 :],
            state[:at] + draw.choice(ALPHABET) + state[at:],
            state.swapcase(),
            state[::-1],
            state + draw.choice([" ", "=", "\n", "\x00", "A", "%00"]),
            " " + state,
            secret_hash(Secret(state)).hex(),
            "".join(draw.choices(ALPHABET, k=draw.choice([1, 42, 43, 44, 128, 129]))),
            "".join(draw.choices(string.printable, k=43)),
            "",
        ]
    )
    return forged if forged != state else state + "x"


@pytest.mark.timeout(3600)
async def test_no_generated_state_is_accepted(
    sign_in: SignInService,
    transactions: SQLTransactions,
    microsoft: MemoryAuthorizationServer,
    visitor: Actor,
    browser: Secret,
) -> None:
    draw = random.Random(13)

    async def begin() -> str:
        started = await sign_in.begin(
            kind=FlowKind.CONNECT,
            registration_id="main",
            authority="organizations",
            scopes=("openid",),
            browser_secret=browser,
            subject={},
        )
        return parse_qs(urlsplit(started.url).query)["state"][0]

    async def accepted(sent: str) -> bool:
        try:
            await sign_in.consume(
                sign_in.parse_return([("state", sent), ("code", "code-of-somebody")]),
                kinds=(FlowKind.CONNECT,),
                registration_id="main",
                browser_secret=browser,
                actor=visitor,
            )
        except FlowRejected:
            return False
        return True

    states = [await begin() for _ in range(PENDING)]
    count = 0
    for start in range(0, FORGERIES, TOGETHER):
        async with transactions() as shared:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(sign_in, "_transactions", lambda shared=shared: contextlib.nullcontext(shared))
                for _ in range(min(TOGETHER, FORGERIES - start)):
                    count += await accepted(near(draw.choice(states), draw))
    print(f"\nFG-12: {count} of {FORGERIES} generated states accepted, {PENDING} sign-ins pending")
    assert count == 0
    assert microsoft.exchange_count == 0
    # The right ones still work, once each.
    assert [await accepted(state) for state in states + states] == [True] * PENDING + [False] * PENDING
