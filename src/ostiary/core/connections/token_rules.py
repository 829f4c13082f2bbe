"""Rules about saved sign-ins: where each token belongs, when it may be used, what a refusal means."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from ostiary.core.audit.model import SYSTEM
from ostiary.core.connections.errors import ConnectionNotUsable
from ostiary.core.connections.machine import ConnectionEvent
from ostiary.core.connections.model import Connection, ConnectionStatus
from ostiary.core.connections.ports import ConnectionTransaction
from ostiary.core.kernel.errors import ConsentRequired, OstiaryError, ReauthorizationRequired
from ostiary.core.vault.model import SealContext

TRIED: Final = frozenset({ConnectionStatus.CONNECTED, ConnectionStatus.FAILING})
"""A failing connection is tried: its fault may have passed."""

LOST: Final = frozenset({ConnectionStatus.NEEDS_SIGN_IN, ConnectionStatus.WAITING_FOR_APPROVAL})
"""Only a check tries these: somebody may have mended them."""

EXPIRY_MARGIN: Final = timedelta(minutes=5)
"""A token this close to its end is not handed out: the call it is for may take a while, and clocks differ."""


def expires_soon(expires_at: datetime, *, now: datetime) -> bool:
    """Whether a token with this end is not handed out any more."""
    return expires_at - EXPIRY_MARGIN <= now


def refresh_token_context(connection: Connection, version: int) -> SealContext:
    """Where version ``version`` of a connection's refresh token belongs."""
    return SealContext(connection.organization_id, connection.id, "refresh_token", version)


def access_token_context(connection: Connection, version: int) -> SealContext:
    """Where the access token that came with that version belongs."""
    return SealContext(connection.organization_id, connection.id, "access_token", version)


def refusal_event(error: OstiaryError) -> tuple[ConnectionEvent, str]:
    """What a definite refusal does to a connection, and the reason people read."""
    if isinstance(error, ConsentRequired):
        return ConnectionEvent.CONSENT_LOST, error.reason or "consent_withdrawn"
    if isinstance(error, ReauthorizationRequired):
        return ConnectionEvent.SIGN_IN_LOST, error.reason or "sign_in_needed"
    return ConnectionEvent.STOPPED, error.reason or "unknown"


def require_usable(connection: Connection, *, try_lost: bool) -> None:
    """Raise what :meth:`AccessTokens.get` says for a connection that nobody may use now."""
    if connection.status in TRIED or (try_lost and connection.status in LOST):
        return
    if connection.status is ConnectionStatus.NEEDS_SIGN_IN:
        raise ReauthorizationRequired(
            "The person has to sign in again.",
            reason=connection.reason or "sign_in_needed",
            provider=connection.provider,
            reference=connection.reference,
        )
    if connection.status is ConnectionStatus.WAITING_FOR_APPROVAL:
        raise ConsentRequired(
            "The organization’s approval is missing.",
            reason=connection.reason or "consent_withdrawn",
            provider=connection.provider,
            reference=connection.reference,
        )
    raise ConnectionNotUsable(
        "This connection is paused, disconnected or not confirmed.", reference=connection.reference
    )


async def record_scope_change(tx: ConnectionTransaction, connection: Connection, now: Iterable[str]) -> None:
    """Put on record which permissions a newer token has gained or lost, by Microsoft's short names."""
    old = {scope.rsplit("/", 1)[-1] for scope in connection.granted_scopes}
    new = {scope.rsplit("/", 1)[-1] for scope in now}
    gained, lost = _names(new - old), _names(old - new)
    if not old or not (gained or lost):
        return
    said = [f"lost {lost}"] if lost else []
    said += [f"gained {gained}"] if gained else []
    await tx.audit.record(
        "connection.scopes_changed",
        f"The permissions of {connection.address} changed at Microsoft: {'; '.join(said)}.",
        actor=SYSTEM,
        organization_id=connection.organization_id,
        object_id=connection.id,
        reference=connection.reference,
        reason="missing_permission" if lost else None,
        detail={"gained": gained, "lost": lost},
    )


def _names(scopes: Iterable[str]) -> str:
    # Microsoft repeats ".default" where it was asked for (entra-id.md §1.9); it names nothing.
    said_anyway = {"openid", "profile", "email", "offline_access", ".default"}
    return ", ".join(sorted(scope for scope in scopes if scope.lower() not in said_anyway))


async def record_opening(tx: ConnectionTransaction, connection: Connection, kind: str, purpose: str) -> None:
    """SR-39: the record commits before the value is opened; without it the opening does not happen."""
    await tx.audit.record(
        "vault.opened",
        f"The saved sign-in of {connection.address} was opened to {purpose} it.",
        actor=SYSTEM,
        organization_id=connection.organization_id,
        object_id=connection.id,
        reference=connection.reference,
        detail={"kind": kind, "purpose": purpose},
    )
