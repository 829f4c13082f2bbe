"""Who may have a token of a connection, and what a refusal makes of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ostiary.core.connections.errors import ConnectionNotUsable
from ostiary.core.connections.machine import ConnectionEvent
from ostiary.core.connections.model import ConnectionStatus
from ostiary.core.connections.token_rules import refusal_event, require_usable
from ostiary.core.kernel.errors import (
    AccessBlocked,
    ConsentRequired,
    OstiaryError,
    ReauthorizationRequired,
)

LOST = {
    ConnectionStatus.NEEDS_SIGN_IN: (ReauthorizationRequired, "sign_in_needed"),
    ConnectionStatus.WAITING_FOR_APPROVAL: (ConsentRequired, "consent_withdrawn"),
}


async def test_each_state_that_gives_no_token_says_why_and_of_which_connection(world) -> None:
    connection = await world.connect()
    for status, (kind, reason) in LOST.items():
        for stored in (None, "account_disabled"):
            with pytest.raises(kind) as raised:
                require_usable(replace(connection, status=status, reason=stored), try_lost=False)
            assert (raised.value.reason, raised.value.reference) == (stored or reason, connection.reference)
        require_usable(replace(connection, status=status), try_lost=True)
    for status in (ConnectionStatus.PAUSED, ConnectionStatus.DISCONNECTED, ConnectionStatus.UNCONFIRMED):
        for try_lost in (False, True):
            with pytest.raises(ConnectionNotUsable) as raised:
                require_usable(replace(connection, status=status), try_lost=try_lost)
            assert raised.value.reference == connection.reference
    require_usable(connection, try_lost=False)


@pytest.mark.parametrize(
    ("error", "event", "reason"),
    [
        (ConsentRequired("x"), ConnectionEvent.CONSENT_LOST, "consent_withdrawn"),
        (ConsentRequired("x", reason="app_disabled"), ConnectionEvent.CONSENT_LOST, "app_disabled"),
        (ReauthorizationRequired("x"), ConnectionEvent.SIGN_IN_LOST, "sign_in_needed"),
        (ReauthorizationRequired("x", reason="mfa_needed"), ConnectionEvent.SIGN_IN_LOST, "mfa_needed"),
        (AccessBlocked("x"), ConnectionEvent.STOPPED, "unknown"),
        (AccessBlocked("x", reason="ews_blocked"), ConnectionEvent.STOPPED, "ews_blocked"),
    ],
)
def test_a_refusal_has_its_event_and_its_reason(
    error: OstiaryError, event: ConnectionEvent, reason: str
) -> None:
    assert refusal_event(error) == (event, reason)
