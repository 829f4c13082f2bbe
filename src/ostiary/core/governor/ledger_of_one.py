"""The ledger of a process that shares its mailboxes with nobody."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ostiary.core.governor.budget import Window
from ostiary.core.governor.model import Grant, Limits, MailboxKey, MailboxLoad, Wish
from ostiary.core.governor.sharing import share


@dataclass(slots=True)
class _Entry:
    window: Window
    began: float
    blocked_until: float = 0.0
    at_once: int = 0


class LedgerOfOne:
    """Satisfies ``GovernorLedger`` in memory, for one holder."""

    def __init__(self) -> None:
        self._entries: dict[MailboxKey, _Entry] = {}

    async def renew(
        self, key: MailboxKey, holder: str, wish: Wish, limits: Limits, *, lease_seconds: float
    ) -> Grant:
        now = time.monotonic()
        entry = self._entries.setdefault(key, _Entry(Window(0, 0, 0.0), now))
        window = replace(entry.window, age_seconds=now - entry.began)
        grant, window = share(wish, limits, (), window, blocked_seconds=entry.blocked_until - now)
        entry.window, entry.began = window, now - window.age_seconds
        entry.at_once = grant.interactive + grant.background
        return grant

    async def release(self, key: MailboxKey, holder: str, *, unused_calls: int) -> None:
        entry = self._entries.get(key)
        if entry is not None:
            entry.at_once = 0
            entry.window = replace(entry.window, used=max(0, entry.window.used - unused_calls))

    async def block(self, key: MailboxKey, seconds: float) -> None:
        now = time.monotonic()
        entry = self._entries.setdefault(key, _Entry(Window(0, 0, 0.0), now))
        entry.blocked_until = max(entry.blocked_until, now + seconds)

    async def resting_seconds(self, key: MailboxKey) -> float:
        entry = self._entries.get(key)
        return 0.0 if entry is None else max(0.0, entry.blocked_until - time.monotonic())

    async def loads(self, *, limit: int) -> Sequence[MailboxLoad]:
        now = time.monotonic()
        loads = [
            MailboxLoad(key, entry.at_once, entry.window.used, max(0.0, entry.blocked_until - now))
            for key, entry in self._entries.items()
            if entry.at_once or entry.blocked_until > now
        ]
        return sorted(loads, key=lambda load: -load.blocked_seconds)[:limit]

    async def forget(self, *, unused_seconds: float) -> int:
        now = time.monotonic()
        old = [
            key
            for key, entry in self._entries.items()
            if not entry.at_once and now - max(entry.began, entry.blocked_until) > unused_seconds
        ]
        for key in old:
            del self._entries[key]
        return len(old)
