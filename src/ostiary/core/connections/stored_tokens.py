"""Access tokens that are stored already, for callers that ask at the same time: one look, one commit for all of them.

Each opening is on record durably before it happens (SR-39). A durable commit takes as long for many records as for
one, and so does the lock on an organization's chain: what is asked for while one commit is under way shares the next.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ostiary.core.connections.errors import Frozen
from ostiary.core.connections.model import Connection, SharedAccessToken, StoredAccessToken
from ostiary.core.connections.ports import ConnectionTransaction
from ostiary.core.connections.token_rules import expires_soon, record_opening, require_usable
from ostiary.core.kernel.clock import Clock
from ostiary.core.kernel.errors import NotFound, OstiaryError
from ostiary.core.kernel.reach import Reach, current_reach, declared
from ostiary.core.kernel.transactions import Transactions

MOST_TOGETHER: Final = 100
"""Openings that share a transaction; a chain is locked no longer than writing these takes."""

Found = tuple[Connection, SharedAccessToken]


@dataclass(frozen=True, slots=True)
class _Caller:
    connection_id: str
    newer_than: int
    try_lost: bool
    answer: asyncio.Future[Found | None]


class StoredTokens:
    """Gives out stored access tokens, still sealed, once the record of their opening is durable."""

    def __init__(self, *, transactions: Transactions[ConnectionTransaction], clock: Clock) -> None:
        self._transactions = transactions
        self._clock = clock
        self._waiting: dict[Reach, list[_Caller]] = {}
        self._tasks: dict[Reach, asyncio.Task[None]] = {}

    async def take(self, connection_id: str, *, newer_than: int, try_lost: bool) -> Found | None:
        """Return the stored token to open now, or None where it has to be refreshed.

        Args:
            newer_than: Version of a token that is no good any more; 0 takes any.
            try_lost: Also take that of a connection whose sign-in or approval was lost.

        Raises as :meth:`AccessTokens.get` says. Where the record cannot be written nothing is given out.
        """
        # Callers share a transaction only with callers that may reach the same rows (SR-64).
        reach = current_reach()
        caller = _Caller(connection_id, newer_than, try_lost, asyncio.get_running_loop().create_future())
        self._waiting.setdefault(reach, []).append(caller)
        if reach not in self._tasks:
            self._tasks[reach] = asyncio.create_task(self._serve(reach), name="stored tokens")
        return await caller.answer

    async def _serve(self, reach: Reach) -> None:
        try:
            with declared(reach):
                while waiting := self._waiting.pop(reach, None):
                    callers, rest = waiting[:MOST_TOGETHER], waiting[MOST_TOGETHER:]
                    if rest:
                        self._waiting[reach] = rest
                    await self._answer(callers)
        finally:
            del self._tasks[reach]
            for caller in self._waiting.pop(reach, ()):
                # Only when this process ends in the middle.
                caller.answer.cancel()

    async def _answer(self, callers: Sequence[_Caller]) -> None:
        found: list[tuple[_Caller, Found | None]] = []
        try:
            async with self._transactions() as tx:
                ids = sorted({caller.connection_id for caller in callers})
                stored = await tx.stored_tokens.find(ids)
                for caller in callers:
                    try:
                        token = self._usable(caller, stored.get(caller.connection_id))
                    except OstiaryError as refusal:
                        # It concerns this caller alone.
                        _refuse(caller, refusal)
                        continue
                    if token is not None:
                        await record_opening(tx, token[0], "access_token", "use")
                    found.append((caller, token))
        except BaseException as error:
            # The records are not durable: nobody opens anything.
            for caller in callers:
                _refuse(caller, error)
            if not isinstance(error, Exception):
                raise
            return
        for caller, token in found:
            if not caller.answer.done():
                caller.answer.set_result(token)

    def _usable(self, caller: _Caller, stored: StoredAccessToken | None) -> Found | None:
        if stored is None:
            raise NotFound("There is no such connection.")
        require_usable(stored.connection, try_lost=caller.try_lost)
        if stored.is_frozen:
            raise Frozen("The use of this connection was stopped by the operator.", reason="frozen")
        shared = stored.token
        if shared is None or shared.version <= caller.newer_than:
            return None
        return None if expires_soon(shared.expires_at, now=self._clock.now()) else (stored.connection, shared)


def _refuse(caller: _Caller, error: BaseException) -> None:
    if caller.answer.done():
        return
    if isinstance(error, asyncio.CancelledError):
        caller.answer.cancel()
    else:
        caller.answer.set_exception(error)
        # Looked at here, because the caller may have given up before.
        caller.answer.exception()
