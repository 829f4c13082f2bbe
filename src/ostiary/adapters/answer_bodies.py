"""Reading answers into memory: each within a cap, and all that a process reads at once within another one.

A cap on each answer alone is none: many mailboxes are read at once, and every one may be answered without end.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final

import aiohttp

from ostiary.core.kernel.errors import OstiaryError

MOST_AT_ONCE_BYTES: Final = 16 * 1024 * 1024
"""Of all answers that a process is reading; one of them at a time may go beyond, up to its own cap."""

FREE_BYTES: Final = 64 * 1024
"""Answers up to here cost no accounting, and never wait."""


class BodyBudget:
    """What the answers that a process is reading may take up together."""

    def __init__(self, most_bytes: int = MOST_AT_ONCE_BYTES) -> None:
        self._most = most_bytes
        self._held = 0
        self._overdrawn_by: object | None = None
        self._changed = asyncio.Event()

    @property
    def held(self) -> int:
        """Bytes of answers that are being read now."""
        return self._held

    @asynccontextmanager
    async def body(
        self, response: aiohttp.ClientResponse, *, most_bytes: int, too_large: type[OstiaryError]
    ) -> AsyncGenerator[bytearray]:
        """Read an answer, decompressed; it counts until the end of the block, in which it should be parsed.

        One that would not fit waits until others are done, for as long as its call may take. Of those that wait one
        goes on all the same, so that they never wait for each other.

        Raises:
            OstiaryError: ``too_large``, once the answer is larger than ``most_bytes``.
        """
        content = bytearray()
        taken = 0
        me = object()
        try:
            async for part in response.content.iter_any():
                size = len(content) + len(part)
                if size > most_bytes:
                    raise too_large("Microsoft gave an answer larger than we take.")
                if size > FREE_BYTES:
                    await self._take(me, size - taken)
                    taken = size
                content += part
            yield content
        finally:
            self._give_back(me, taken)

    async def _take(self, who: object, count: int) -> None:
        while self._held + count > self._most and self._overdrawn_by is not who:
            if self._overdrawn_by is None:
                self._overdrawn_by = who
                break
            await self._changed.wait()
        self._held += count

    def _give_back(self, who: object, count: int) -> None:
        self._held -= count
        if self._overdrawn_by is who:
            self._overdrawn_by = None
        self._changed.set()
        self._changed = asyncio.Event()
