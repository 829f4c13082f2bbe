"""What a reason is made of."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class Where(StrEnum):
    """The flows a reason can appear in."""

    CONSENT = "C"
    CONNECT = "U"
    HEALTH = "H"


class Fixer(StrEnum):
    """Who can put it right."""

    YOU = "you"
    IT_ADMIN = "it_admin"
    IDENTITY_ADMIN = "identity_admin"
    EXCHANGE_ADMIN = "exchange_admin"
    ORGANIZATION_ADMIN = "organization_admin"
    VENDOR = "vendor"
    MICROSOFT = "microsoft"
    NOBODY = "nobody"


class Tone(StrEnum):
    """Colour of the outcome (UX §5): amber, red or neutral."""

    WARN = "warn"
    BAD = "bad"
    NEUTRAL = "neutral"


class Retry(StrEnum):
    """What our own retry logic may do."""

    NEVER = "never"
    AFTER_INTERACTION = "after_interaction"
    BACK_OFF = "back_off"


@dataclass(frozen=True, slots=True)
class Action:
    """One next step. ``id`` is stable; entry points turn it into a link, button or command."""

    id: str
    label: str


@dataclass(frozen=True, slots=True)
class Reason:
    """One row of the catalogue. Texts hold placeholders such as ``{vendor}`` and ``{org}``."""

    id: str
    where: frozenset[Where]
    headline: str
    why: str
    fixer: Fixer
    who_can_fix: str
    tone: Tone
    retry: Retry
    actions: tuple[Action, ...]
    """The first is the primary one."""
    connect_actions: tuple[Action, ...] = ()
    """Used instead in the connect flow, where they differ."""
    connect_headline: str | None = None
    aadsts: frozenset[int] = field(default_factory=frozenset[int])
    reassure: bool = True
    """False where "nothing was approved / connected" would be untrue."""
