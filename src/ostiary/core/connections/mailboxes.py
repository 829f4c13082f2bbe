"""Opening the mailbox of a connection for somebody who wants to read it: may they, is it on, with which token."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final, Protocol

from ostiary.core.connections.errors import ConnectionNotUsable
from ostiary.core.connections.machine import words
from ostiary.core.connections.model import Connection, ConnectionStatus, MailboxAccess
from ostiary.core.connections.ports import ConnectionTransaction
from ostiary.core.governor.model import Urgency
from ostiary.core.kernel.access_method import AccessMethod
from ostiary.core.kernel.errors import (
    AccessBlocked,
    Conflict,
    ConsentRequired,
    MailboxMissing,
    OstiaryError,
    ReauthorizationRequired,
)
from ostiary.core.kernel.transactions import Transactions


class Part(StrEnum):
    """Which part of a mailbox somebody wants."""

    MAIL = "mail"
    CALENDAR = "calendar"
    SENDING = "sending"
    """Mail that leaves as its owner's: a permission of its own over Graph."""


class MailboxAccessSource(Protocol):
    """Makes what a gateway needs; satisfied by ``ConnectionsService``."""

    async def access(self, connection: Connection) -> MailboxAccess: ...


class MailboxWatcher(Protocol):
    """Hears how mailboxes are used."""

    async def used(self, connection_id: str, method: AccessMethod, part: Part) -> None:
        """A part of a mailbox was read."""
        ...

    async def failed(self, connection_id: str) -> None:
        """It could not be read, for a reason that waiting does not mend."""
        ...


MEANS_SOMETHING: Final = (ReauthorizationRequired, ConsentRequired, AccessBlocked, MailboxMissing)
"""Errors in use that are worth a check at once; the check decides, not the error (SR-47)."""


@dataclass(frozen=True, slots=True)
class OpenMailbox:
    """A mailbox that may be read now."""

    method: AccessMethod
    access: MailboxAccess


class Mailboxes:
    """Finds a connection within its organization and checks that it can be used."""

    def __init__(
        self,
        *,
        transactions: Transactions[ConnectionTransaction],
        source: MailboxAccessSource,
        watcher: MailboxWatcher | None = None,
    ) -> None:
        self._transactions = transactions
        self._source = source
        self._watcher = watcher

    @asynccontextmanager
    async def use(
        self,
        connection_id: str,
        part: Part,
        *,
        organization_id: str | None,
        urgency: Urgency = Urgency.INTERACTIVE,
    ) -> AsyncGenerator[OpenMailbox]:
        """Open a mailbox for one call of a gateway; the watcher hears how the call ended. Raises what ``open`` raises."""
        mailbox = await self.open(connection_id, part, organization_id=organization_id, urgency=urgency)
        try:
            yield mailbox
        except MEANS_SOMETHING:
            if self._watcher is not None:
                await self._watcher.failed(connection_id)
            raise
        if self._watcher is not None:
            await self._watcher.used(connection_id, mailbox.method, part)

    async def open(
        self,
        connection_id: str,
        part: Part,
        *,
        organization_id: str | None,
        urgency: Urgency = Urgency.INTERACTIVE,
    ) -> OpenMailbox:
        """Return the mailbox behind a connection.

        Args:
            part: What is going to be read; the person chose mail, calendar or both.
            organization_id: The caller's organization; None for the vendor's own key, which sees all.
            urgency: Who waits for the calls.

        Raises:
            NotFound: No such connection, or of another organization.
            ReauthorizationRequired: The person has to sign in again.
            ConsentRequired: The organization's approval is missing.
            Conflict: Connected without this part.
            ConnectionNotUsable: Not connected, or paused.
        """
        async with self._transactions() as tx:
            connection = await tx.connections.get(connection_id, organization_id=organization_id)
        refusal = _refusal(connection, part)
        if refusal is not None:
            raise refusal
        access = await self._source.access(connection)
        return OpenMailbox(connection.method, replace(access, urgency=urgency))


def _refusal(connection: Connection, part: Part) -> OstiaryError | None:
    """Return why the connection cannot be read, or None. A failing one is tried: the fault may have passed."""
    match connection.status:
        case ConnectionStatus.CONNECTED | ConnectionStatus.FAILING:
            if part is Part.CALENDAR:
                return None if connection.calendar else Conflict("This connection does not include calendar.")
            return None if connection.mail else Conflict("This connection does not include mail.")
        case ConnectionStatus.NEEDS_SIGN_IN:
            return ReauthorizationRequired(
                "The person has to sign in again.",
                reason=connection.reason or "sign_in_needed",
                provider=connection.provider,
                reference=connection.reference,
            )
        case ConnectionStatus.WAITING_FOR_APPROVAL:
            return ConsentRequired(
                "The organization’s approval is missing.",
                reason=connection.reason or "consent_withdrawn",
                provider=connection.provider,
                reference=connection.reference,
            )
        case _:
            return ConnectionNotUsable(
                f"This connection cannot be read: it is {words(connection.status)}.",
                reference=connection.reference,
            )
