"""Inbox rules: conditions on arriving mail and what is done with it."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class MessageRule:
    """A rule as its owner wrote it; conditions, exceptions and actions are kept in Graph's words."""

    id: str
    display_name: str
    sequence: int
    is_enabled: bool = True
    conditions: dict[str, object] = field(default_factory=dict)
    exceptions: dict[str, object] = field(default_factory=dict)
    actions: dict[str, object] = field(default_factory=dict)
