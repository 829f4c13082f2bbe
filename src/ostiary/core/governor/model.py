"""Limits of one mailbox, and what a process holds of them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from ostiary.core.kernel.access_method import AccessMethod


class Urgency(StrEnum):
    """Who waits for a call."""

    INTERACTIVE = "interactive"
    """A person, or the vendor's app: goes first."""
    BACKGROUND = "background"
    """Sync and checks: takes what is left over."""


@dataclass(frozen=True, slots=True)
class MailboxKey:
    """One mailbox behind one access method: what Microsoft counts by."""

    method: AccessMethod
    tenant_id: str
    object_id: str

    def __str__(self) -> str:
        return f"{self.method.value}:{self.tenant_id}:{self.object_id}"


@dataclass(frozen=True, slots=True)
class Limits:
    """What one mailbox bears.

    Source: Graph allows an app 4 concurrent requests and 10,000 requests per 10 minutes per mailbox
    (https://learn.microsoft.com/graph/throttling-limits#outlook-service-limits); Exchange's own policy for EWS is looser
    at 27 connections, which the person's other programs share.
    """

    most_at_once: int = 4
    most_calls: int = 10_000
    """Calls within any window."""
    window_seconds: int = 600
    kept_for_interactive: int = 1
    """Of the calls at once, how many background work leaves free for people."""
    background_share: float = 0.9
    """How much of a window's calls background work may use up."""

    def __post_init__(self) -> None:
        if self.most_at_once < 1 or self.most_calls < 1 or self.window_seconds < 1:
            raise ValueError("A limit below one lets nothing through.")

    def most_in_background(self) -> int:
        """Calls at once for background work: at least one, or nothing would ever sync."""
        return max(1, self.most_at_once - self.kept_for_interactive)


@dataclass(frozen=True, slots=True)
class Wish:
    """What a process wants of a mailbox now; it replaces what the process held before."""

    interactive: int
    background: int
    calls: int
    """How many more calls of the window's budget it would like to have ready."""
    busy_interactive: int = 0
    """Calls that run now: nobody can call them back."""
    busy_background: int = 0


@dataclass(frozen=True, slots=True)
class Held:
    """What another process holds of the mailbox."""

    interactive: int
    background: int
    is_short: bool
    """It got less than it wished for."""


@dataclass(frozen=True, slots=True)
class Grant:
    """What the process got."""

    interactive: int
    background: int
    calls: int
    is_short: bool
    """Less than the wish, because others hold the rest."""
    blocked_seconds: float
    """Microsoft asked for a pause that lasts this long still; 0 for none."""
    calls_in_seconds: float
    """When some of the budget comes free again; 0 while there is some."""


@dataclass(frozen=True, slots=True)
class MailboxLoad:
    """How a mailbox stands, as consoles show it."""

    key: MailboxKey
    at_once: int
    calls_in_window: int
    blocked_seconds: float
