"""Console sessions: begin, resume, end, and which customer an operator looks at (SR-52)."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from ostiary.core.access.model import (
    CONSOLE_PERMISSIONS,
    OPERATOR_PERMISSIONS,
    SESSION_ABSOLUTE_LIFE,
    ConsoleSession,
    Principal,
    Role,
    SignedIn,
)
from ostiary.core.access.ports import AccessTransaction
from ostiary.core.kernel.entropy import Entropy
from ostiary.core.kernel.errors import NotFound
from ostiary.core.kernel.ids import new_id
from ostiary.core.kernel.secret import Secret
from ostiary.core.organizations.model import Member, MemberRole
from ostiary.core.signin.derivation import random_secret, secret_hash

_SECRET_BYTES: Final = 32


async def begin_session(
    transaction: AccessTransaction,
    *,
    role: Role,
    subject_id: str,
    name: str,
    organization_id: str | None,
    entropy: Entropy,
    now: datetime,
    replaces: Secret | None,
    authenticated_at: datetime | None,
    home_tenant_id: str | None = None,
) -> SignedIn:
    """Store a session under a fresh secret, and end the one this browser had before.

    Args:
        authenticated_at: When the person proved who they are; None is never fresh enough (SR-57).
    """
    viewed = None
    if replaces is not None:
        before = await transaction.console_sessions.find_by_secret_hash(secret_hash(replaces))
        if before is not None:
            await transaction.console_sessions.end(before.id, at=now)
            if (before.role, before.subject_id) == (role, subject_id) and before.is_live(now):
                # Somebody who signs in once more goes on where they were.
                viewed = before.viewed_organization_id
    secret = random_secret(entropy.token_bytes(_SECRET_BYTES))
    session = ConsoleSession(
        id=new_id("ses", entropy),
        secret_hash=secret_hash(secret),
        role=role,
        subject_id=subject_id,
        name=name,
        created_at=now,
        seen_at=now,
        organization_id=organization_id,
        viewed_organization_id=viewed,
        authenticated_at=authenticated_at,
        home_tenant_id=home_tenant_id,
    )
    await transaction.console_sessions.add(session)
    return SignedIn(session, secret)


async def find_principal(
    transaction: AccessTransaction, *, secret: Secret, now: datetime
) -> Principal | None:
    """Return who a session belongs to, if both still count.

    The person is looked up each time, so that a role taken away acts at once.
    """
    session = await transaction.console_sessions.find_by_secret_hash(secret_hash(secret))
    if session is None or not session.is_live(now):
        return None
    try:
        if session.role is Role.OPERATOR:
            operator = await transaction.operators.get(session.subject_id)
            if operator.disabled_at is not None:
                return None
            found = _operator_principal(session, operator.name)
        else:
            member = await transaction.members.get(
                session.subject_id, organization_id=session.organization_id or ""
            )
            if member.role is not MemberRole.ORGANIZATION_ADMIN:
                return None
            found = _admin_principal(session, member)
    except NotFound:
        return None
    await transaction.console_sessions.touch(session.id, seen_at=now)
    return found


def _operator_principal(session: ConsoleSession, name: str) -> Principal:
    return Principal(
        role=Role.OPERATOR,
        id=session.subject_id,
        name=name,
        permissions=OPERATOR_PERMISSIONS,
        organization_id=session.viewed_organization_id,
        session_id=session.id,
        authenticated_at=session.authenticated_at,
        home_tenant_id=session.home_tenant_id,
        session_ends_at=session.created_at + SESSION_ABSOLUTE_LIFE,
    )


def _admin_principal(session: ConsoleSession, member: Member) -> Principal:
    return Principal(
        role=Role.ORGANIZATION_ADMIN,
        id=member.id,
        name=member.display_name,
        permissions=CONSOLE_PERMISSIONS,
        organization_id=member.organization_id,
        session_id=session.id,
        authenticated_at=session.authenticated_at,
        home_tenant_id=session.home_tenant_id,
        session_ends_at=session.created_at + SESSION_ABSOLUTE_LIFE,
    )
