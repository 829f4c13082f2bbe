"""The connection's states: what is in the table happens, everything else raises."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from ostiary.core.connections.errors import IllegalTransition
from ostiary.core.connections.machine import TRANSITIONS, ConnectionEvent, transition, words
from ostiary.core.connections.model import Connection, ConnectionStatus
from ostiary.core.kernel.access_method import AccessMethod
from ostiary.core.kernel.errors import ProviderDetail

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


def connection(status: ConnectionStatus, **fields: object) -> Connection:
    values: dict[str, object] = {
        "id": "con_1",
        "organization_id": "org_1",
        "member_id": "mem_1",
        "cloud": "global",
        "tenant_id": "t",
        "object_id": "o",
        "method": AccessMethod.GRAPH,
        "registration_id": "main",
        "mail": True,
        "calendar": True,
        "status": status,
        "reference": "CO-0000-0000",
        "address": "tom.ellis@harbourvale.example",
        "display_name": "Tom Ellis",
        "created_at": NOW,
        "changed_at": NOW,
        "confirm_before": NOW,
    }
    return Connection(**(values | fields))  # type: ignore[arg-type]


@pytest.mark.parametrize("status", list(ConnectionStatus))
@pytest.mark.parametrize("event", list(ConnectionEvent))
def test_only_the_steps_of_the_table_exist(status: ConnectionStatus, event: ConnectionEvent) -> None:
    later = NOW + timedelta(hours=1)
    target = TRANSITIONS.get((status, event))
    if target is None:
        with pytest.raises(IllegalTransition):
            transition(connection(status), event, now=later)
    else:
        moved = transition(connection(status), event, now=later, reason="unknown")
        assert (moved.status, moved.reason, moved.changed_at) == (target, "unknown", later)


def test_a_disconnected_connection_never_comes_back() -> None:
    assert not [state for state, _ in TRANSITIONS if state is ConnectionStatus.DISCONNECTED]


def test_an_unconfirmed_connection_is_confirmed_or_ends() -> None:
    ways = {target for (state, _), target in TRANSITIONS.items() if state is ConnectionStatus.UNCONFIRMED}
    assert ways == {ConnectionStatus.CONNECTED, ConnectionStatus.DISCONNECTED}


def test_a_connection_that_keeps_working_has_not_changed() -> None:
    later = NOW + timedelta(hours=1)
    same = transition(connection(ConnectionStatus.CONNECTED), ConnectionEvent.WORKED, now=later)
    assert (same.status, same.changed_at) == (ConnectionStatus.CONNECTED, NOW)


def test_a_confirmed_connection_has_no_deadline_left() -> None:
    confirmed = transition(connection(ConnectionStatus.UNCONFIRMED), ConnectionEvent.CONFIRMED, now=NOW)
    assert confirmed.confirm_before is None


def test_what_microsoft_said_is_kept_with_the_step_and_gone_with_the_next() -> None:
    later = NOW + timedelta(hours=1)
    said = ProviderDetail(code="AADSTS50173")
    lost = transition(
        connection(ConnectionStatus.CONNECTED),
        ConnectionEvent.SIGN_IN_LOST,
        now=later,
        reason="sign_in_needed",
        provider=said,
    )
    assert (lost.provider, lost.reason, lost.changed_at) == (said, "sign_in_needed", later)
    back = transition(lost, ConnectionEvent.WORKED, now=later)
    assert (back.provider, back.reason) == (None, None)


def test_another_reason_is_a_change_though_the_state_is_the_same() -> None:
    later = NOW + timedelta(hours=1)
    failing = transition(connection(ConnectionStatus.CONNECTED), ConnectionEvent.STOPPED, now=NOW, reason="a")
    again = transition(failing, ConnectionEvent.STOPPED, now=later, reason="a")
    other = transition(failing, ConnectionEvent.STOPPED, now=later, reason="b")
    assert (again.changed_at, other.changed_at) == (NOW, later)


def test_a_status_reads_as_words_in_a_sentence() -> None:
    assert {status: words(status) for status in ConnectionStatus} == {
        ConnectionStatus.NOT_CONNECTED: "not connected",
        ConnectionStatus.CONNECTING: "connecting",
        ConnectionStatus.UNCONFIRMED: "unconfirmed",
        ConnectionStatus.CONNECTED: "connected",
        ConnectionStatus.NEEDS_SIGN_IN: "needing sign-in",
        ConnectionStatus.WAITING_FOR_APPROVAL: "waiting for approval",
        ConnectionStatus.FAILING: "failing",
        ConnectionStatus.PAUSED: "paused",
        ConnectionStatus.DISCONNECTED: "disconnected",
    }
