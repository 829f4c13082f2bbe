"""The kill switch: stop the use of one connection's tokens, an organization's, or all of them (SR-50).

A freeze changes no connection's state and destroys nothing; lifting it brings everything back as it was. A process
asks the database at most :data:`LOOK_AGAIN` after it last did, before it hands out a token that it holds; every
token that it has to open or refresh is checked in the transaction that takes it from the database.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, Protocol

from ostiary.core.audit.model import Actor
from ostiary.core.audit.ports import AuditTrail
from ostiary.core.connections.errors import Frozen
from ostiary.core.connections.ports import ConnectionStore, FreezeLookup
from ostiary.core.kernel.clock import Clock
from ostiary.core.kernel.errors import InvalidRequest, NotFound
from ostiary.core.kernel.transactions import Transactions
from ostiary.core.organizations.ports import OrganizationStore

LOOK_AGAIN: Final = timedelta(seconds=15)
"""With the longest single call this stays well below the 60 seconds of SR-50."""

LONGEST_NOTE: Final = 500


class FreezeScope(StrEnum):
    """What a freeze covers."""

    INSTANCE = "instance"
    ORGANIZATION = "organization"
    CONNECTION = "connection"


@dataclass(frozen=True, slots=True)
class Freeze:
    """Tokens that nobody may use, since when, and who said so."""

    scope: FreezeScope
    target_id: str
    """Organization or connection; empty for the instance."""
    at: datetime
    by: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class NamedFreeze:
    """A freeze with what its target is called."""

    freeze: Freeze
    name: str
    organization_id: str | None


class FreezeStore(FreezeLookup, Protocol):
    """Keeps freezes; at most one for each target."""

    async def add(self, freeze: Freeze) -> bool:
        """False when the target is frozen already."""
        ...

    async def remove(self, scope: FreezeScope, target_id: str) -> bool:
        """False when the target was not frozen."""
        ...

    async def all(self) -> tuple[Freeze, ...]:
        """Every freeze in force, oldest first."""
        ...

    async def covering(self, organization_id: str) -> Freeze | None:
        """The freeze that stops a whole organization: its own, or the instance's."""
        ...


class FreezeTransaction(Protocol):
    """What one transaction of freezing can reach."""

    @property
    def freezes(self) -> FreezeStore: ...
    @property
    def connections(self) -> ConnectionStore: ...
    @property
    def organizations(self) -> OrganizationStore: ...
    @property
    def audit(self) -> AuditTrail: ...


class Freezes:
    """Freezes and unfreezes; tells this process's holder of tokens what is frozen."""

    def __init__(self, *, transactions: Transactions[FreezeTransaction], clock: Clock) -> None:
        self._transactions = transactions
        self._clock = clock
        self._known: frozenset[tuple[FreezeScope, str]] = frozenset()
        self._looked_at: datetime | None = None
        self._looking: asyncio.Task[None] | None = None

    async def freeze(self, scope: FreezeScope, target_id: str = "", *, note: str = "", actor: Actor) -> bool:
        """Stop all use of the target's tokens in every process within a minute. False when it was frozen already.

        Raises:
            NotFound: There is no such organization or connection.
            InvalidRequest: The note is too long, or a target is named for the whole instance.
        """
        if len(note) > LONGEST_NOTE:
            raise InvalidRequest(f"A note has at most {LONGEST_NOTE} characters.", field="note")
        async with self._transactions() as tx:
            organization_id, name = await _name(tx, scope, target_id)
            freeze = Freeze(scope, target_id, self._clock.now(), actor.name, note)
            is_new = await tx.freezes.add(freeze)
            if is_new:
                await tx.audit.record(
                    f"{scope.value}.frozen",
                    f"The use of tokens of {name} was stopped.",
                    actor=actor,
                    organization_id=organization_id,
                    object_id=target_id or None,
                    detail={"note": note} if note else None,
                )
        self._forget_look()
        return is_new

    async def unfreeze(self, scope: FreezeScope, target_id: str = "", *, actor: Actor) -> bool:
        """Let the target's tokens be used again. False when it was not frozen.

        Raises:
            NotFound: There is no such organization or connection.
            InvalidRequest: A target is named for the whole instance.
        """
        async with self._transactions() as tx:
            organization_id, name = await _name(tx, scope, target_id)
            was_frozen = await tx.freezes.remove(scope, target_id)
            if was_frozen:
                await tx.audit.record(
                    f"{scope.value}.unfrozen",
                    f"Tokens of {name} may be used again.",
                    actor=actor,
                    organization_id=organization_id,
                    object_id=target_id or None,
                )
        self._forget_look()
        return was_frozen

    async def list_all(self) -> tuple[Freeze, ...]:
        """Return every freeze in force, oldest first."""
        async with self._transactions() as tx:
            return await tx.freezes.all()

    async def list_named(self) -> tuple[NamedFreeze, ...]:
        """The same, with names for people."""
        async with self._transactions() as tx:
            return tuple([await _named(tx, freeze) for freeze in await tx.freezes.all()])

    async def name_of(self, scope: FreezeScope, target_id: str = "") -> str:
        """Return what a target is called: what a person types to confirm.

        Raises:
            NotFound: There is no such organization or connection.
        """
        async with self._transactions() as tx:
            return (await _name(tx, scope, target_id))[1]

    async def require_thawed(self, connection_id: str, *, organization_id: str) -> None:
        """Check a token that this process holds, by what it knew at most :data:`LOOK_AGAIN` ago.

        Raises:
            Frozen: Nobody may use it now.
        """
        while self._knows_too_little():
            await self._look_with_others()
        targets = (
            (FreezeScope.INSTANCE, ""),
            (FreezeScope.ORGANIZATION, organization_id),
            (FreezeScope.CONNECTION, connection_id),
        )
        if self._known.intersection(targets):
            raise Frozen("The use of this connection was stopped by the operator.", reason="frozen")

    def _knows_too_little(self) -> bool:
        # A clock that was set back must not make old knowledge look fresh.
        return self._looked_at is None or not timedelta() <= self._clock.now() - self._looked_at < LOOK_AGAIN

    async def _look_with_others(self) -> None:
        """Let one caller ask the database for all who come meanwhile: hundreds at once would use up every connection."""
        looking = self._looking
        if looking is None:
            looking = self._looking = asyncio.create_task(self._look())
            looking.add_done_callback(self._end_look)
        # One caller that gives up must not take the answer from the others.
        await asyncio.shield(looking)

    async def _look(self) -> None:
        now = self._clock.now()
        found = await self.list_all()
        # Not when this process froze or thawed something meanwhile: that look may have come too early.
        if self._looking is asyncio.current_task():
            self._known = frozenset((freeze.scope, freeze.target_id) for freeze in found)
            self._looked_at = now

    def _end_look(self, looking: asyncio.Task[None]) -> None:
        if self._looking is looking:
            self._looking = None
        if not looking.cancelled():
            # Looked at here, because every caller may have given up before it failed.
            looking.exception()

    def _forget_look(self) -> None:
        self._looked_at = self._looking = None


async def _named(tx: FreezeTransaction, freeze: Freeze) -> NamedFreeze:
    try:
        organization_id, name = await _name(tx, freeze.scope, freeze.target_id)
    except NotFound:
        # Erased meanwhile.
        return NamedFreeze(freeze, freeze.target_id, None)
    return NamedFreeze(freeze, name, organization_id)


async def _name(tx: FreezeTransaction, scope: FreezeScope, target_id: str) -> tuple[str | None, str]:
    """Return the target's organization and what it is called; raises NotFound for what is not there."""
    match scope:
        case FreezeScope.INSTANCE:
            if target_id:
                raise InvalidRequest("The whole instance needs no id.", field="target_id")
            return None, "every organization"
        case FreezeScope.ORGANIZATION:
            organization = await tx.organizations.get(target_id)
            return organization.id, organization.name
        case FreezeScope.CONNECTION:
            connection = await tx.connections.get(target_id)
            return connection.organization_id, connection.address
