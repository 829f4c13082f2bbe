"""What the governor needs from outside."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from ostiary.core.governor.model import Grant, Limits, MailboxKey, MailboxLoad, Urgency, Wish
from ostiary.core.kernel.access_method import AccessMethod


class GovernorLedger(Protocol):
    """What all processes hold of each mailbox. Times are the ledger's own, so that hosts need not agree on any."""

    async def renew(
        self, key: MailboxKey, holder: str, wish: Wish, limits: Limits, *, lease_seconds: float
    ) -> Grant:
        """Replace what ``holder`` holds by as much of ``wish`` as there is, for ``lease_seconds``.

        What a holder that is gone held comes free when its lease ends. A holder gets less than it could when
        another one waits: nobody keeps all of a mailbox.
        """
        ...

    async def release(self, key: MailboxKey, holder: str, *, unused_calls: int) -> None:
        """Give everything back, with the part of the budget that was not used."""
        ...

    async def block(self, key: MailboxKey, seconds: float) -> None:
        """Let nobody start a call for so long; a longer pause that runs already stays."""
        ...

    async def resting_seconds(self, key: MailboxKey) -> float:
        """Return how long the pause that Microsoft asked for lasts still; 0 for none."""
        ...

    async def loads(self, *, limit: int) -> Sequence[MailboxLoad]:
        """Return the mailboxes in use now or paused, the longest pause first."""
        ...

    async def forget(self, *, unused_seconds: float) -> int:
        """Delete what is known of mailboxes that nobody used for so long; return how many."""
        ...


class GovernorTransaction(Protocol):
    """A unit of work with the shared state of mailboxes."""

    @property
    def governor(self) -> GovernorLedger: ...


class GovernorMeter(Protocol):
    """Counts what the governor does; satisfied by the process's metrics."""

    def waited(self, method: AccessMethod, urgency: Urgency, seconds: float) -> None:
        """A call had to wait for its turn."""
        ...

    def refused(self, method: AccessMethod, urgency: Urgency) -> None:
        """A call would have waited too long and was sent back."""
        ...

    def paused(self, method: AccessMethod, seconds: float) -> None:
        """Microsoft asked for a pause."""
        ...
