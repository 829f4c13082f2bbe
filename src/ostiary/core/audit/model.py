"""One record of the trail."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class ActorKind(StrEnum):
    """What acts."""

    PERSON = "person"
    OPERATOR = "operator"
    API_KEY = "api_key"
    SYSTEM = "system"
    ANONYMOUS = "anonymous"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts, as far as we have verified it."""

    kind: ActorKind
    id: str = ""
    name: str = ""
    ip: str | None = None
    request_id: str | None = None


SYSTEM = Actor(ActorKind.SYSTEM, name="System")


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """One act. ``what`` is a stable verb such as ``consent.verified``; ``sentence`` is for people.

    Never holds a token, code, subject line or mail content.
    """

    id: str
    at: datetime
    actor: Actor
    what: str
    sentence: str
    outcome: str = "done"
    """``done``, ``refused`` or ``failed``."""
    organization_id: str | None = None
    object_id: str | None = None
    reference: str | None = None
    reason: str | None = None
    detail: Mapping[str, str] = field(default_factory=dict[str, str])
