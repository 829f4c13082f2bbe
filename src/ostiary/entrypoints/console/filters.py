"""Template filters of the console."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from ostiary.core.audit.model import AuditRecord
from ostiary.core.connections.model import ConnectionStatus
from ostiary.core.consent.model import ConsentState
from ostiary.entrypoints.console.shell import recent_moment
from ostiary.entrypoints.console.words import CONNECTION_WORDS, CONSENT_WORDS, Word, actor_name, outcome_word


def _outcome(record: AuditRecord) -> Word:
    return outcome_word(record.outcome)


def _connection_word(status: ConnectionStatus) -> Word:
    return CONNECTION_WORDS[status]


def _consent_word(state: ConsentState) -> Word:
    return CONSENT_WORDS[state]


FILTERS: Final[dict[str, Callable[..., Any]]] = {
    "recent": recent_moment,
    "who": actor_name,
    "outcome": _outcome,
    "connection_word": _connection_word,
    "consent_word": _consent_word,
}
