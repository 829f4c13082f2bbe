"""The states of a connection and the only ways between them (DESIGN §3). Pure, no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from enum import StrEnum
from typing import Final

from ostiary.core.connections.errors import IllegalTransition
from ostiary.core.connections.model import Connection, ConnectionStatus
from ostiary.core.kernel.errors import ProviderDetail


class ConnectionEvent(StrEnum):
    """What can happen to a connection."""

    STORED = "stored"
    """The sign-in was good and its refresh token is kept; nobody vouched for it yet (SR-20)."""
    CONFIRMED = "confirmed"
    NOT_CONFIRMED = "not_confirmed"
    SIGNED_IN_AGAIN = "signed_in_again"
    WORKED = "worked"
    SIGN_IN_LOST = "sign_in_lost"
    """A definite and repeated refusal of the saved sign-in (SR-47)."""
    CONSENT_LOST = "consent_lost"
    STOPPED = "stopped"
    """The sign-in is good, but a policy, a missing mailbox or missing permissions stop us."""
    PAUSED = "paused"
    RESUMED = "resumed"
    DISCONNECTED = "disconnected"


_S: Final = ConnectionStatus
_E: Final = ConnectionEvent

_HEALTH: Final = (_S.CONNECTED, _S.WAITING_FOR_APPROVAL, _S.NEEDS_SIGN_IN, _S.FAILING)
"""States between which a connection moves by what Microsoft answers."""


def _table() -> dict[tuple[ConnectionStatus, ConnectionEvent], ConnectionStatus]:
    table = {
        (_S.CONNECTING, _E.STORED): _S.UNCONFIRMED,
        (_S.UNCONFIRMED, _E.CONFIRMED): _S.CONNECTED,
        (_S.UNCONFIRMED, _E.NOT_CONFIRMED): _S.DISCONNECTED,
        (_S.UNCONFIRMED, _E.DISCONNECTED): _S.DISCONNECTED,
        (_S.PAUSED, _E.RESUMED): _S.CONNECTED,
        (_S.PAUSED, _E.SIGNED_IN_AGAIN): _S.CONNECTED,
        (_S.PAUSED, _E.DISCONNECTED): _S.DISCONNECTED,
    }
    for state in _HEALTH:
        table[(state, _E.SIGNED_IN_AGAIN)] = _S.CONNECTED
        table[(state, _E.WORKED)] = _S.CONNECTED
        table[(state, _E.SIGN_IN_LOST)] = _S.NEEDS_SIGN_IN
        table[(state, _E.CONSENT_LOST)] = _S.WAITING_FOR_APPROVAL
        table[(state, _E.STOPPED)] = _S.FAILING
        table[(state, _E.PAUSED)] = _S.PAUSED
        table[(state, _E.DISCONNECTED)] = _S.DISCONNECTED
    return table


TRANSITIONS: Final[Mapping[tuple[ConnectionStatus, ConnectionEvent], ConnectionStatus]] = _table()


def transition(
    connection: Connection,
    event: ConnectionEvent,
    *,
    now: datetime,
    reason: str | None = None,
    provider: ProviderDetail | None = None,
) -> Connection:
    """Return the connection after ``event``, with the reason of its new state.

    Raises:
        IllegalTransition: The event cannot happen in this state; nothing may be stored.
    """
    target = TRANSITIONS.get((connection.status, event))
    if target is None:
        raise IllegalTransition(
            f"A connection that is {words(connection.status)} cannot become {event.value}."
        )
    moved = target is not connection.status or reason != connection.reason
    return replace(
        connection,
        status=target,
        reason=reason,
        provider=provider,
        changed_at=now if moved else connection.changed_at,
        confirm_before=connection.confirm_before if target is _S.UNCONFIRMED else None,
    )


def words(status: ConnectionStatus) -> str:
    """The status as people read it in the middle of a sentence (UX §10)."""
    return "needing sign-in" if status is _S.NEEDS_SIGN_IN else status.value.replace("_", " ")
