"""The words, tones and icons of states: the same seven words everywhere, never colour alone (UX §10)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ostiary.core.approvals.model import ApprovalRequestState
from ostiary.core.audit.model import Actor, ActorKind
from ostiary.core.connections.model import ConnectionStatus
from ostiary.core.consent.model import ConsentState


@dataclass(frozen=True, slots=True)
class Word:
    """A state as a person sees it."""

    text: str
    tone: str
    """``ok``, ``warn``, ``bad``, ``brand`` or empty."""
    icon: str


_NOT_CONNECTED: Final = Word("Not connected", "", "circle")

CONNECTION_WORDS: Final = {
    ConnectionStatus.NOT_CONNECTED: _NOT_CONNECTED,
    # Half-done sign-ins are nobody's connection yet.
    ConnectionStatus.CONNECTING: _NOT_CONNECTED,
    ConnectionStatus.UNCONFIRMED: _NOT_CONNECTED,
    ConnectionStatus.WAITING_FOR_APPROVAL: Word("Waiting for approval", "warn", "clock"),
    ConnectionStatus.CONNECTED: Word("Connected", "ok", "check"),
    ConnectionStatus.NEEDS_SIGN_IN: Word("Needs sign-in", "warn", "key"),
    ConnectionStatus.FAILING: Word("Failing", "bad", "alert"),
    ConnectionStatus.PAUSED: Word("Paused", "", "pause"),
    ConnectionStatus.DISCONNECTED: Word("Disconnected", "", "cross"),
}

SHOWN_STATUSES: Final = (
    ConnectionStatus.NOT_CONNECTED,
    ConnectionStatus.WAITING_FOR_APPROVAL,
    ConnectionStatus.CONNECTED,
    ConnectionStatus.NEEDS_SIGN_IN,
    ConnectionStatus.FAILING,
    ConnectionStatus.PAUSED,
)
"""The statuses a list of people can be narrowed to; nobody stays disconnected, they are not connected."""

FILTERED_STATUSES: Final = (
    ConnectionStatus.CONNECTED,
    ConnectionStatus.NEEDS_SIGN_IN,
    ConnectionStatus.FAILING,
    ConnectionStatus.WAITING_FOR_APPROVAL,
    ConnectionStatus.PAUSED,
    ConnectionStatus.DISCONNECTED,
)
"""The statuses a list of connections can be narrowed to."""

CONSENT_WORDS: Final = {
    ConsentState.NONE: Word("Not asked", "", "circle"),
    ConsentState.ASKED: Word("Asked", "brand", "clock"),
    ConsentState.STARTED: Word("Started, not finished", "warn", "clock"),
    ConsentState.RETURNED: Word("Being checked", "brand", "clock"),
    ConsentState.VERIFYING: Word("Being checked", "brand", "clock"),
    ConsentState.VERIFIED: Word("Approved", "ok", "check"),
    ConsentState.PARTIAL: Word("Permissions missing", "warn", "warning"),
    ConsentState.CONTRADICTED: Word("Not approved", "warn", "warning"),
    ConsentState.REFUSED: Word("Not approved", "warn", "warning"),
    ConsentState.EXPIRED: Word("Not finished", "warn", "clock"),
    ConsentState.WITHDRAWN: Word("Withdrawn", "bad", "alert"),
}

REQUEST_WORDS: Final = {
    ApprovalRequestState.WAITING: Word("Waiting", "warn", "clock"),
    ApprovalRequestState.SENT: Word("Sent", "warn", "clock"),
    ApprovalRequestState.STARTED: Word("Started, not finished yet", "brand", "clock"),
    ApprovalRequestState.APPROVED: Word("Approved", "ok", "check"),
    ApprovalRequestState.DECLINED: Word("Declined", "bad", "cross"),
    ApprovalRequestState.EXPIRED: Word("No answer after 14 days", "warn", "clock"),
    ApprovalRequestState.CANCELLED: Word("Cancelled", "", "cross"),
}

OUTCOME_WORDS: Final = {
    "done": Word("Done", "ok", "check"),
    "refused": Word("Refused", "warn", "warning"),
    "failed": Word("Failed", "bad", "alert"),
}

_ACTORS: Final = {
    ActorKind.PERSON: "A person",
    ActorKind.OPERATOR: "Operator",
    ActorKind.API_KEY: "API key",
    ActorKind.SYSTEM: "System",
    ActorKind.ANONYMOUS: "Somebody not signed in",
}


def actor_name(actor: Actor) -> str:
    """Return who acted, for a list."""
    return actor.name or _ACTORS[actor.kind]


def outcome_word(outcome: str) -> Word:
    """Return the word of an audit record's outcome."""
    return OUTCOME_WORDS.get(outcome, Word(outcome.capitalize(), "", "info"))
