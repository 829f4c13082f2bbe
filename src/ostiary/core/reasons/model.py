"""What a reason is made of."""

from __future__ import annotations

from collections.abc import Mapping
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
    hint: str = ""
    """Said beside it, such as "new mailboxes can take up to a day"."""


@dataclass(frozen=True, slots=True)
class Copyable:
    """Text that another person has to act on, offered with a copy button."""

    id: str
    """Of the action it belongs to."""
    title: str
    text: str
    caption: str = ""


@dataclass(frozen=True, slots=True)
class Variant:
    """What reads differently in one special case of a reason; None keeps the reason's own words."""

    headline: str | None = None
    why: str | None = None
    who_can_fix: str | None = None
    actions: tuple[Action, ...] | None = None


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
    connect_why: str | None = None
    happened: str | None = None
    """What we know happened, where every case of the reason shares it."""
    copyables: tuple[Copyable, ...] = ()
    variants: Mapping[str, Variant] = field(default_factory=dict[str, Variant])
    aadsts: frozenset[int] = field(default_factory=frozenset[int])
    """Microsoft's numbers that hint at it. Hints only: numbers and their texts may change."""
    reassure: bool = True
    """False where "nothing was approved / connected" would be untrue."""
