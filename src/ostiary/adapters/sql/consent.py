"""Consents, the attempts to get them, and links for IT administrators."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    RowMapping,
    String,
    Table,
    Text,
    UniqueConstraint,
    and_,
    func,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from ostiary.adapters.sql.provider_detail import provider_detail, provider_values
from ostiary.adapters.sql.schema import UTCDateTime, metadata
from ostiary.core.consent.model import AdminConsentLink, Consent, ConsentAttempt, ConsentState
from ostiary.core.kernel.access_method import AccessMethod
from ostiary.core.kernel.errors import NotFound

consents: Final = Table(
    "consents",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("cloud", String(32), nullable=False),
    Column("tenant_id", String(36), nullable=False),
    Column("organization_id", String(64), nullable=False, index=True),
    Column("method", String(16), nullable=False),
    Column("state", String(16), nullable=False),
    Column("reference", String(16), nullable=False),
    Column("granted_scopes", ARRAY(Text), nullable=False),
    Column("approved_by_object_id", String(36)),
    Column("approved_by_username", Text),
    Column("approved_by_name", Text),
    Column("verified_at", UTCDateTime),
    Column("verified_how", String(64)),
    Column("checked_at", UTCDateTime),
    Column("changed_at", UTCDateTime),
    Column("reason", String(64)),
    UniqueConstraint("cloud", "tenant_id", "method"),
)

consent_attempts: Final = Table(
    "consent_attempts",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("reference", String(16), nullable=False, unique=True),
    Column("method", String(16), nullable=False),
    Column("state", String(16), nullable=False),
    Column("created_at", UTCDateTime, nullable=False),
    Column("updated_at", UTCDateTime, nullable=False),
    Column("browser_hash", LargeBinary, nullable=False),
    Column("registration_id", String(64), nullable=False),
    Column("cloud", String(32), nullable=False),
    Column("requested_scopes", ARRAY(Text), nullable=False),
    Column("organization_id", String(64)),
    Column("link_id", String(64)),
    Column("expected_tenant_id", String(36)),
    Column("claimed_tenant_id", String(36)),
    Column("claimed_scopes", ARRAY(Text), nullable=False),
    Column("tenant_id", String(36)),
    Column("tenant_name", Text),
    Column("tenant_domains", ARRAY(Text), nullable=False),
    Column("account", Text),
    Column("account_name", Text),
    Column("account_object_id", String(36)),
    Column("has_consenting_role", Boolean, nullable=False),
    Column("granted_scopes", ARRAY(Text), nullable=False),
    Column("ews_reachable", Boolean),
    Column("forward_link_id", String(64)),
    Column("told_count", Integer, nullable=False),
    Column("reason", String(64)),
    Column("reason_variant", String(32)),
    Column("provider", JSONB),
    Column("returned_at", UTCDateTime),
    Column("verified_at", UTCDateTime),
    Column("check_count", Integer, nullable=False),
    Column("next_check_at", UTCDateTime),
    Index(None, "browser_hash", "created_at"),
    Index(None, "organization_id", "created_at"),
    Index("ix_consent_attempts_pending", "created_at", postgresql_where=text("reason = 'tenant_pending'")),
)

admin_consent_links: Final = Table(
    "admin_consent_links",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("reference", String(16), nullable=False, unique=True),
    Column("organization_id", String(64), nullable=False, index=True),
    Column("secret_hash", LargeBinary, nullable=False, unique=True),
    Column("created_at", UTCDateTime, nullable=False),
    Column("expires_at", UTCDateTime, nullable=False),
    Column("asked_by_name", Text, nullable=False),
    Column("asked_by_member_id", String(64)),
    Column("expected_tenant_id", String(36)),
    Column("sent_to", Text),
    Column("browser_hash", LargeBinary),
    Column("used_at", UTCDateTime),
    Column("withdrawn_at", UTCDateTime),
    Column("declined_at", UTCDateTime),
    Column("decline_reason", Text),
    Column("made_by_browser_hash", LargeBinary),
)

_WATCHED_STATES: Final = (ConsentState.VERIFIED.value, ConsentState.PARTIAL.value)
_SWITCHED_OFF: Final = "app_disabled"
_PENDING: Final = "tenant_pending"


class SQLConsentStore:
    """Keeps one consent per tenant and access method in PostgreSQL."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def find(self, *, cloud: str, tenant_id: str, method: AccessMethod) -> Consent | None:
        found = await self._select(
            consents.c.cloud == cloud, consents.c.tenant_id == tenant_id, consents.c.method == method.value
        )
        return found[0] if found else None

    async def save(self, consent: Consent) -> None:
        values = _consent_values(consent)
        changed = {name: value for name, value in values.items() if name != "id"}
        statement = (
            insert(consents)
            .values(values)
            .on_conflict_do_update(index_elements=["cloud", "tenant_id", "method"], set_=changed)
        )
        await self._connection.execute(statement)

    async def list_for_organization(self, organization_id: str) -> tuple[Consent, ...]:
        return await self._select(consents.c.organization_id == organization_id)

    async def list_for_tenant(self, *, cloud: str, tenant_id: str) -> tuple[Consent, ...]:
        return await self._select(consents.c.cloud == cloud, consents.c.tenant_id == tenant_id)

    async def due_for_check(self, *, checked_before: datetime, limit: int) -> tuple[Consent, ...]:
        watched = or_(
            consents.c.state.in_(_WATCHED_STATES),
            and_(consents.c.state == ConsentState.WITHDRAWN.value, consents.c.reason == _SWITCHED_OFF),
        )
        last_look = func.coalesce(consents.c.checked_at, consents.c.verified_at)
        statement = (
            select(consents)
            .where(watched, or_(last_look.is_(None), last_look < checked_before))
            .order_by(last_look.nulls_first(), consents.c.id)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        rows = (await self._connection.execute(statement)).mappings()
        return tuple(_consent(row) for row in rows)

    async def _select(self, *conditions: Any) -> tuple[Consent, ...]:
        statement = select(consents).where(*conditions).order_by(consents.c.tenant_id, consents.c.method)
        rows = (await self._connection.execute(statement)).mappings()
        return tuple(_consent(row) for row in rows)


class SQLConsentAttemptStore:
    """Keeps attempts in PostgreSQL."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def add(self, attempt: ConsentAttempt) -> None:
        await self._connection.execute(insert(consent_attempts).values(_attempt_values(attempt)))

    async def save(self, attempt: ConsentAttempt) -> None:
        statement = (
            update(consent_attempts)
            .where(consent_attempts.c.id == attempt.id)
            .values(_attempt_values(attempt))
        )
        if (await self._connection.execute(statement)).rowcount != 1:
            raise _no_attempt()

    async def find_by_reference(self, reference: str) -> ConsentAttempt | None:
        found = await self._select(consent_attempts.c.reference == reference)
        return found[0] if found else None

    async def get(self, attempt_id: str) -> ConsentAttempt:
        found = await self._select(consent_attempts.c.id == attempt_id)
        if not found:
            raise _no_attempt()
        return found[0]

    async def latest_for_browser(
        self, *, browser_hash: bytes, organization_id: str | None
    ) -> ConsentAttempt | None:
        of_organization = (
            consent_attempts.c.organization_id.is_(None)
            if organization_id is None
            else consent_attempts.c.organization_id == organization_id
        )
        found = await self._select(consent_attempts.c.browser_hash == browser_hash, of_organization, limit=1)
        return found[0] if found else None

    async def page_for_organization(
        self, organization_id: str, *, limit: int = 50
    ) -> tuple[ConsentAttempt, ...]:
        return await self._select(consent_attempts.c.organization_id == organization_id, limit=limit)

    async def waiting_for_confirmation(
        self, organization_id: str, *, cloud: str, tenant_id: str
    ) -> tuple[ConsentAttempt, ...]:
        return await self._select(
            consent_attempts.c.organization_id == organization_id,
            consent_attempts.c.cloud == cloud,
            consent_attempts.c.tenant_id == tenant_id,
            consent_attempts.c.reason == _PENDING,
        )

    async def unclaimed(self, *, limit: int = 50) -> tuple[ConsentAttempt, ...]:
        return await self._select(
            consent_attempts.c.organization_id.is_(None), consent_attempts.c.reason == _PENDING, limit=limit
        )

    async def _select(self, *conditions: Any, limit: int | None = None) -> tuple[ConsentAttempt, ...]:
        statement = (
            select(consent_attempts)
            .where(*conditions)
            .order_by(consent_attempts.c.created_at.desc(), consent_attempts.c.id)
            .limit(limit)
        )
        rows = (await self._connection.execute(statement)).mappings()
        return tuple(_attempt(row) for row in rows)


class SQLAdminConsentLinkStore:
    """Keeps links in PostgreSQL; of the secret only its SHA-256."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def add(self, link: AdminConsentLink) -> None:
        await self._connection.execute(insert(admin_consent_links).values(_link_values(link)))

    async def save(self, link: AdminConsentLink) -> None:
        statement = (
            update(admin_consent_links).where(admin_consent_links.c.id == link.id).values(_link_values(link))
        )
        if (await self._connection.execute(statement)).rowcount != 1:
            raise _no_link()

    async def get(self, link_id: str) -> AdminConsentLink:
        found = await self._select(admin_consent_links.c.id == link_id)
        if not found:
            raise _no_link()
        return found[0]

    async def find_by_secret_hash(self, secret_hash: bytes) -> AdminConsentLink | None:
        found = await self._select(admin_consent_links.c.secret_hash == secret_hash)
        return found[0] if found else None

    async def find_by_reference(self, reference: str) -> AdminConsentLink | None:
        found = await self._select(admin_consent_links.c.reference == reference)
        return found[0] if found else None

    async def bind_to_browser(self, link_id: str, *, browser_hash: bytes) -> bool:
        # One statement: of two browsers that start at the same moment only one wins.
        bound = admin_consent_links.c.browser_hash
        statement = (
            update(admin_consent_links)
            .where(admin_consent_links.c.id == link_id, or_(bound.is_(None), bound == browser_hash))
            .values(browser_hash=browser_hash)
        )
        return (await self._connection.execute(statement)).rowcount == 1

    async def live_for(self, organization_id: str, *, now: datetime) -> tuple[AdminConsentLink, ...]:
        table = admin_consent_links.c
        return await self._select(
            table.organization_id == organization_id,
            table.expires_at > now,
            table.used_at.is_(None),
            table.withdrawn_at.is_(None),
            table.declined_at.is_(None),
        )

    async def _select(self, *conditions: Any) -> tuple[AdminConsentLink, ...]:
        statement = (
            select(admin_consent_links)
            .where(*conditions)
            .order_by(admin_consent_links.c.created_at.desc(), admin_consent_links.c.id)
        )
        rows = (await self._connection.execute(statement)).mappings()
        return tuple(_link(row) for row in rows)


def _consent_values(consent: Consent) -> dict[str, Any]:
    return {
        "id": consent.id,
        "cloud": consent.cloud,
        "tenant_id": consent.tenant_id,
        "organization_id": consent.organization_id,
        "method": consent.method.value,
        "state": consent.state.value,
        "reference": consent.reference,
        "granted_scopes": list(consent.granted_scopes),
        "approved_by_object_id": consent.approved_by_object_id,
        "approved_by_username": consent.approved_by_username,
        "approved_by_name": consent.approved_by_name,
        "verified_at": consent.verified_at,
        "verified_how": consent.verified_how,
        "checked_at": consent.checked_at,
        "changed_at": consent.changed_at,
        "reason": consent.reason,
    }


def _consent(row: RowMapping) -> Consent:
    fields = dict(row)
    fields["method"] = AccessMethod(row["method"])
    fields["state"] = ConsentState(row["state"])
    fields["granted_scopes"] = tuple(row["granted_scopes"])
    return Consent(**fields)


def consent_of_row(row: RowMapping) -> Consent:
    """Return the consent in a row of :data:`consents`, for queries that join it."""
    return _consent(row)


def _attempt_values(attempt: ConsentAttempt) -> dict[str, Any]:
    return {
        "id": attempt.id,
        "reference": attempt.reference,
        "method": attempt.method.value,
        "state": attempt.state.value,
        "created_at": attempt.created_at,
        "updated_at": attempt.updated_at,
        "browser_hash": attempt.browser_hash,
        "registration_id": attempt.registration_id,
        "cloud": attempt.cloud,
        "requested_scopes": list(attempt.requested_scopes),
        "organization_id": attempt.organization_id,
        "link_id": attempt.link_id,
        "expected_tenant_id": attempt.expected_tenant_id,
        "claimed_tenant_id": attempt.claimed_tenant_id,
        "claimed_scopes": list(attempt.claimed_scopes),
        "tenant_id": attempt.tenant_id,
        "tenant_name": attempt.tenant_name,
        "tenant_domains": list(attempt.tenant_domains),
        "account": attempt.account,
        "account_name": attempt.account_name,
        "account_object_id": attempt.account_object_id,
        "has_consenting_role": attempt.has_consenting_role,
        "granted_scopes": list(attempt.granted_scopes),
        "ews_reachable": attempt.ews_reachable,
        "forward_link_id": attempt.forward_link_id,
        "told_count": attempt.told_count,
        "reason": attempt.reason,
        "reason_variant": attempt.reason_variant,
        "provider": provider_values(attempt.provider),
        "returned_at": attempt.returned_at,
        "verified_at": attempt.verified_at,
        "check_count": attempt.check_count,
        "next_check_at": attempt.next_check_at,
    }


def _attempt(row: RowMapping) -> ConsentAttempt:
    fields = dict(row)
    fields["method"] = AccessMethod(row["method"])
    fields["state"] = ConsentState(row["state"])
    fields["provider"] = provider_detail(row["provider"])
    for name in ("requested_scopes", "claimed_scopes", "tenant_domains", "granted_scopes"):
        fields[name] = tuple(row[name])
    return ConsentAttempt(**fields)


def _link_values(link: AdminConsentLink) -> dict[str, Any]:
    return {
        "id": link.id,
        "reference": link.reference,
        "organization_id": link.organization_id,
        "secret_hash": link.secret_hash,
        "created_at": link.created_at,
        "expires_at": link.expires_at,
        "asked_by_name": link.asked_by_name,
        "asked_by_member_id": link.asked_by_member_id,
        "expected_tenant_id": link.expected_tenant_id,
        "sent_to": link.sent_to,
        "browser_hash": link.browser_hash,
        "used_at": link.used_at,
        "withdrawn_at": link.withdrawn_at,
        "declined_at": link.declined_at,
        "decline_reason": link.decline_reason,
        "made_by_browser_hash": link.made_by_browser_hash,
    }


def _link(row: RowMapping) -> AdminConsentLink:
    return AdminConsentLink(**row)


def _no_attempt() -> NotFound:
    return NotFound("There is no such attempt.")


def _no_link() -> NotFound:
    return NotFound("There is no such link.")
