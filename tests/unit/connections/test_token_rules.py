"""Who may have a token of a connection, and what a refusal makes of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ostiary.core.audit.model import SYSTEM
from ostiary.core.connections.errors import ConnectionNotUsable
from ostiary.core.connections.machine import ConnectionEvent
from ostiary.core.connections.model import ConnectionStatus
from ostiary.core.connections.token_rules import (
    access_token_context,
    record_opening,
    record_scope_change,
    refresh_token_context,
    refusal_event,
    require_usable,
)
from ostiary.core.kernel.errors import (
    AccessBlocked,
    ConsentRequired,
    OstiaryError,
    ReauthorizationRequired,
)
from ostiary.core.vault.model import SealContext

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


async def test_a_token_belongs_to_its_connection_kind_and_version(world) -> None:
    connection = await world.connect()
    for context, kind in (
        (refresh_token_context(connection, 7), "refresh_token"),
        (access_token_context(connection, 7), "access_token"),
    ):
        assert context == SealContext("org_1", connection.id, kind, 7)


GRAPH = "https://graph.microsoft.com/"


@pytest.mark.parametrize(
    ("before", "now", "said", "reason", "detail"),
    [
        (
            ("Mail.Read", "Mail.Send"),
            ("Mail.Read", "Calendars.Read", "Contacts.Read"),
            "lost Mail.Send; gained Calendars.Read, Contacts.Read",
            "missing_permission",
            {"gained": "Calendars.Read, Contacts.Read", "lost": "Mail.Send"},
        ),
        (
            ("Mail.Read",),
            (GRAPH + "Mail.Read", "Mail.Send"),
            "gained Mail.Send",
            None,
            {"gained": "Mail.Send", "lost": ""},
        ),
        (
            (GRAPH + "Mail.Read", "Mail.Send"),
            ("Mail.Read",),
            "lost Mail.Send",
            "missing_permission",
            {"gained": "", "lost": "Mail.Send"},
        ),
    ],
)
async def test_permissions_that_changed_are_on_record_by_their_short_names(
    world, before, now, said, reason, detail
) -> None:
    connection = replace(await world.connect(), granted_scopes=before)
    async with world.transactions() as tx:
        await record_scope_change(tx, connection, now)
        (record,) = (await tx.audit.page(organization_id=None, what_prefix="connection.scopes")).items
    assert (record.what, record.actor, record.reason) == ("connection.scopes_changed", SYSTEM, reason)
    assert (record.organization_id, record.object_id, record.reference) == (
        "org_1",
        connection.id,
        connection.reference,
    )
    assert dict(record.detail) == detail
    assert f"changed at Microsoft: {said}." in record.sentence


@pytest.mark.parametrize(
    ("before", "now"),
    [
        (("Mail.Read",), (GRAPH + "Mail.Read",)),
        (("Mail.Read",), ("Mail.Read", "openid", "Profile", "email", "offline_access", GRAPH + ".default")),
        (("Mail.Read", "openid", "email"), ("Mail.Read",)),
        ((), ("Mail.Read",)),
    ],
)
async def test_what_names_no_permission_is_no_change(world, before, now) -> None:
    connection = replace(await world.connect(), granted_scopes=before)
    async with world.transactions() as tx:
        await record_scope_change(tx, connection, now)
        assert (await tx.audit.page(organization_id=None, what_prefix="connection.scopes")).items == ()


async def test_each_opening_is_on_record_with_what_for(world) -> None:
    connection = await world.connect()
    async with world.transactions() as tx:
        await record_opening(tx, connection, "refresh_token", "rewrap")
        record = (await tx.audit.page(organization_id=None, what_prefix="vault.opened")).items[0]
    assert dict(record.detail) == {"kind": "refresh_token", "purpose": "rewrap"}
    assert (record.actor, record.organization_id, record.object_id, record.reference) == (
        SYSTEM,
        "org_1",
        connection.id,
        connection.reference,
    )
