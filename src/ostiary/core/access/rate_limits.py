"""How often somebody may try, counted once for all processes (SR-68)."""

from __future__ import annotations

import hashlib
import hmac
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, Protocol, Self

from ostiary.core.kernel.clock import Clock
from ostiary.core.kernel.errors import RateLimited
from ostiary.core.kernel.transactions import Transactions

_FORM: Final = re.compile(r"([1-9][0-9]{0,6})/([1-9][0-9]{0,2})?([smh])")
_UNITS: Final = {"s": timedelta(seconds=1), "m": timedelta(minutes=1), "h": timedelta(hours=1)}


class LimitedAct(StrEnum):
    """What is counted, each by itself."""

    SIGN_IN = "sign_in"
    """Starting a sign-in to the console or the trust page."""
    CONSENT = "consent"
    """Starting, checking or passing on an approval."""
    LINK = "link"
    """Opening a link that holds a secret."""
    CONNECT = "connect"
    """Starting to connect a mailbox."""
    RETURN = "return"
    """Coming back from Microsoft."""
    MAIL = "mail"
    """An act that makes us write a mail."""
    API = "api"
    """A call of the API."""
    GUESS = "guess"
    """A secret that was wrong."""


@dataclass(frozen=True, slots=True)
class Budget:
    """At most ``most`` in any ``per``, and on the average never more; a burst may use it all at once."""

    most: int
    per: timedelta

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Read ``300/10m``; None for ``off``.

        Raises:
            ValueError: It is neither.
        """
        if text == "off":
            return None
        match = _FORM.fullmatch(text)
        if match is None:
            raise ValueError(f"{text!r} is not a budget such as 300/10m, nor off")
        return cls(int(match[1]), int(match[2] or 1) * _UNITS[match[3]])

    @property
    def cost(self) -> timedelta:
        """How long the budget takes to grow back by one."""
        return self.per / self.most


class RateLimitStore(Protocol):
    """Keeps, for each bucket, when it is full again. One bucket belongs to one act of one subject."""

    async def take(self, bucket: bytes, *, budget: Budget, now: datetime) -> timedelta | None:
        """Take one from the bucket, atomically; None when it could be taken, else how long until one can."""
        ...

    async def forget_full(self, *, now: datetime) -> int:
        """Delete the buckets that are full again: they say nothing that an absent one does not."""
        ...


class RateLimitTransaction(Protocol):
    """What one transaction of rate limits can reach."""

    @property
    def rate_limits(self) -> RateLimitStore: ...


class RateLimits:
    """Counts acts of subjects: an address, a key, a link, an organization.

    Subjects are stored as keyed hashes only: the table tells nobody who came (SR-60, SR-110).
    """

    def __init__(
        self,
        *,
        transactions: Transactions[RateLimitTransaction],
        clock: Clock,
        hash_key: bytes,
        budgets: Mapping[LimitedAct, Budget | None],
    ) -> None:
        """``budgets``: an act without one is not counted. ``hash_key``: the same in every process."""
        self._transactions = transactions
        self._clock = clock
        self._hash_key = hash_key
        self._budgets = dict(budgets)

    async def spend(self, act: LimitedAct, *subjects: str) -> None:
        """Count the act once for each subject.

        Raises:
            RateLimited: One of them has used its budget up; nothing was counted for the ones after it.
        """
        if self._budgets.get(act) is None:
            return
        for subject in subjects:
            async with self._transactions() as transaction:
                await self.spend_within(transaction, act, subject)

    async def spend_within(self, transaction: RateLimitTransaction, act: LimitedAct, subject: str) -> None:
        """Count the act in a transaction that is open anyway. Raises as :meth:`spend` does."""
        budget = self._budgets.get(act)
        if budget is None:
            return
        wait = await transaction.rate_limits.take(
            self._bucket(act, subject), budget=budget, now=self._clock.now()
        )
        if wait is not None:
            raise RateLimited(
                "Too many tries in a short time.",
                retry_after_seconds=max(1, math.ceil(wait.total_seconds())),
            )

    async def forget_full(self) -> int:
        """Delete what says nothing any more; returns how many rows. Job ``rate_limits.forget_full``."""
        async with self._transactions() as transaction:
            return await transaction.rate_limits.forget_full(now=self._clock.now())

    def _bucket(self, act: LimitedAct, subject: str) -> bytes:
        return hmac.new(self._hash_key, f"{act.value}\0{subject}".encode(), hashlib.sha256).digest()
