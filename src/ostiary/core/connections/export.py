"""What we know of a person or an organization, for whoever has a right to it (SR-102). Never a secret (SR-41)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any, Protocol

from ostiary.core.audit.model import Actor
from ostiary.core.audit.ports import AuditTrail
from ostiary.core.connections.ports import ConnectionStore
from ostiary.core.kernel.transactions import Transactions
from ostiary.core.organizations.ports import MemberStore, OrganizationStore

ExportedRow = tuple[str, Mapping[str, Any]]
"""A kind, such as ``connections``, and one row as JSON values."""


class RecordReader(Protocol):
    """Reads rows of every feature, inside one transaction."""

    def rows(
        self, *, organization_id: str, member_id: str | None = None, connection_id: str | None = None
    ) -> AsyncIterator[ExportedRow]:
        """Yield what there is, kind after kind, without sealed values, hashes and links that open anything."""
        ...


class ExportTransaction(Protocol):
    """What one transaction of an export can reach."""

    @property
    def organizations(self) -> OrganizationStore: ...
    @property
    def members(self) -> MemberStore: ...
    @property
    def connections(self) -> ConnectionStore: ...
    @property
    def records(self) -> RecordReader: ...
    @property
    def audit(self) -> AuditTrail: ...


class Export:
    """Hands out what is stored about a person or an organization."""

    def __init__(self, *, transactions: Transactions[ExportTransaction]) -> None:
        self._transactions = transactions

    async def rows(
        self,
        organization_id: str,
        *,
        member_id: str | None = None,
        connection_id: str | None = None,
        actor: Actor,
    ) -> AsyncIterator[ExportedRow]:
        """Yield the rows of an organization, of one of its members or of one mailbox, as they stood at one moment.

        Raises:
            NotFound: There is no such organization, member or connection of it.
        """
        kind = "connection" if connection_id else "member" if member_id else "organization"
        words = {"connection": "a mailbox", "member": "a member", "organization": "an organization"}[kind]
        async with self._transactions() as tx:
            # The record is durable before anything is handed out.
            await tx.organizations.get(organization_id)
            if member_id is not None:
                await tx.members.get(member_id, organization_id=organization_id)
            if connection_id is not None:
                await tx.connections.get(connection_id, organization_id=organization_id)
            await tx.audit.record(
                f"{kind}.exported",
                f"Everything stored about {words} was exported.",
                actor=actor,
                organization_id=organization_id,
                object_id=connection_id or member_id or organization_id,
            )
        async with self._transactions() as tx:
            async for row in tx.records.rows(
                organization_id=organization_id, member_id=member_id, connection_id=connection_id
            ):
                yield row
