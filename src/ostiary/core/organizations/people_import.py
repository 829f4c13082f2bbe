"""Importing people from a file: first a preview that saves nothing, then all of it or none of it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from enum import StrEnum

from ostiary.core.audit.model import Actor
from ostiary.core.kernel.clock import Clock
from ostiary.core.kernel.entropy import Entropy
from ostiary.core.kernel.errors import Conflict, InvalidRequest
from ostiary.core.kernel.ids import new_id
from ostiary.core.kernel.transactions import Transactions
from ostiary.core.organizations.model import Member, MemberRole, Organization
from ostiary.core.organizations.people_file import LineError, PersonRow, parse_people
from ostiary.core.organizations.ports import OrganizationTransaction
from ostiary.core.organizations.service import LICENCES_GIVEN_JOB, LICENCES_TAKEN_JOB


class ChangeKind(StrEnum):
    """What an import does to one person."""

    ADDED = "added"
    CHANGED = "changed"
    SAME = "same"


@dataclass(frozen=True, slots=True)
class PlannedChange:
    """One person of the file, before and after."""

    line: int
    kind: ChangeKind
    after: Member
    before: Member | None = None

    @property
    def words(self) -> tuple[str, ...]:
        """What changes, for people to read."""
        before, after = self.before, self.after
        if before is None:
            return ("with a licence",) if after.licensed else ()
        said: list[str] = []
        if before.display_name != after.display_name:
            said.append(f"name was {before.display_name}")
        if before.email != after.email:
            said.append(f"address was {before.email}")
        if before.role is not after.role:
            said.append(f"becomes {after.role.value.replace('_', ' ')}")
        if before.licensed is not after.licensed:
            said.append("gets a licence" if after.licensed else "loses the licence")
        return tuple(said)


@dataclass(frozen=True, slots=True)
class ImportPlan:
    """What an import would do. It can be applied while there are no errors and enough licences."""

    changes: tuple[PlannedChange, ...]
    errors: tuple[LineError, ...]
    seats_wanted: int
    """Licences in use afterwards."""
    seat_count: int
    """0 sets no limit."""
    fingerprint: str
    """Names exactly these changes: an apply with it does what was shown, or nothing."""

    @property
    def lacks_seats(self) -> bool:
        return self.seat_count != 0 and self.seats_wanted > self.seat_count

    @property
    def can_apply(self) -> bool:
        """Whether an apply would work, and do anything."""
        return not self.errors and not self.lacks_seats and any(self.of(ChangeKind.ADDED, ChangeKind.CHANGED))

    def of(self, *kinds: ChangeKind) -> tuple[PlannedChange, ...]:
        """Return the changes of these kinds, in the order of the file."""
        return tuple(change for change in self.changes if change.kind in kinds)


class PeopleImport:
    """Use cases of importing."""

    def __init__(
        self, *, transactions: Transactions[OrganizationTransaction], clock: Clock, entropy: Entropy
    ) -> None:
        self._transactions = transactions
        self._clock = clock
        self._entropy = entropy

    async def preview(self, data: bytes, *, organization_id: str) -> ImportPlan:
        """Say what importing the file would do; nothing is saved.

        Raises:
            InvalidRequest: The file as a whole cannot be read.
            NotFound: No such organization.
        """
        file = parse_people(data)
        async with self._transactions() as tx:
            organization = await tx.organizations.get(organization_id)
            return await self._plan(tx, organization, file.rows, file.errors)

    async def apply(
        self, data: bytes, *, organization_id: str, fingerprint: str | None, actor: Actor
    ) -> ImportPlan:
        """Save all of it, or nothing.

        Args:
            fingerprint: Of the preview that somebody agreed to; None applies whatever it is now.

        Raises:
            InvalidRequest: The file has errors.
            Conflict: Not enough licences, the last organization admin would go, or people changed since the preview.
        """
        file = parse_people(data)
        if file.errors:
            first = file.errors[0]
            raise InvalidRequest(f"Line {first.line}: {first.words} Nothing was saved.", field="file")
        async with self._transactions() as tx:
            organization = await tx.organizations.lock(organization_id)
            plan = await self._plan(tx, organization, file.rows, ())
            if fingerprint is not None and fingerprint != plan.fingerprint:
                raise Conflict("People changed since this preview. Look at it again; nothing was saved.")
            if plan.errors:
                raise Conflict(f"Line {plan.errors[0].line}: {plan.errors[0].words} Nothing was saved.")
            if plan.lacks_seats:
                raise Conflict(
                    f"This needs {plan.seats_wanted} licences, and {organization.name} has {plan.seat_count}."
                    " Nothing was saved."
                )
            for change in plan.of(ChangeKind.ADDED, ChangeKind.CHANGED):
                await self._save(tx, change, actor)
            await _require_admin(tx, plan)
            await tx.audit.record(
                "members.imported",
                f"A file of people was imported: {len(plan.of(ChangeKind.ADDED))} added,"
                f" {len(plan.of(ChangeKind.CHANGED))} changed.",
                actor=actor,
                organization_id=organization_id,
                object_id=organization_id,
            )
        return plan

    async def _plan(
        self,
        tx: OrganizationTransaction,
        organization: Organization,
        rows: tuple[PersonRow, ...],
        errors: tuple[LineError, ...],
    ) -> ImportPlan:
        changes: list[PlannedChange] = []
        found = list(errors)
        seats = await tx.members.count_licensed(organization.id)
        for row in rows:
            before = await tx.members.find_by_external_id(row.external_id, organization_id=organization.id)
            other = await tx.members.find_by_email(row.email, organization_id=organization.id)
            if other is not None and (before is None or other.id != before.id):
                words = f"This address belongs to {other.external_id} already."
                found.append(LineError(row.line, "email", words))
                continue
            after = self._after(row, before, organization.id)
            kind = ChangeKind.ADDED if before is None else ChangeKind.CHANGED
            if before == after:
                kind = ChangeKind.SAME
            seats += int(after.licensed) - int(before is not None and before.licensed)
            changes.append(PlannedChange(row.line, kind, after, before))
        return ImportPlan(
            tuple(changes),
            tuple(sorted(found, key=lambda error: error.line)),
            seats,
            organization.seat_count,
            _fingerprint(organization.id, changes),
        )

    def _after(self, row: PersonRow, before: Member | None, organization_id: str) -> Member:
        if before is None:
            return Member(
                id=new_id("mem", self._entropy),
                organization_id=organization_id,
                external_id=row.external_id,
                email=row.email,
                display_name=row.display_name,
                role=row.role or MemberRole.MEMBER,
                licensed=bool(row.licensed),
                created_at=self._clock.now(),
            )
        return replace(
            before,
            email=row.email,
            display_name=row.display_name,
            role=row.role or before.role,
            licensed=before.licensed if row.licensed is None else row.licensed,
        )

    async def _save(self, tx: OrganizationTransaction, change: PlannedChange, actor: Actor) -> None:
        member, before = change.after, change.before
        if before is None:
            await tx.members.add(member)
        else:
            await tx.members.save(member)
            if before.role is not member.role:
                await tx.console_sessions.end_all_of(member.id, at=self._clock.now())
                await tx.one_time_links.withdraw_all_of(member.id, at=self._clock.now())
            subject = {"organization_id": member.organization_id, "member_id": member.id}
            if before.licensed and not member.licensed:
                await tx.jobs.enqueue(LICENCES_TAKEN_JOB, subject)
            if member.licensed and not before.licensed:
                await tx.jobs.enqueue(LICENCES_GIVEN_JOB, subject)
        said = "; ".join(change.words)
        await tx.audit.record(
            "member.added" if before is None else "member.changed",
            f"{member.display_name} was {change.kind.value} by an import" + (f": {said}." if said else "."),
            actor=actor,
            organization_id=member.organization_id,
            object_id=member.id,
        )


async def _require_admin(tx: OrganizationTransaction, plan: ImportPlan) -> None:
    """SR-66: an import must not leave an organization without an admin that it had."""
    demoted = [
        change
        for change in plan.changes
        if change.before is not None
        and change.before.role is MemberRole.ORGANIZATION_ADMIN
        and change.after.role is not MemberRole.ORGANIZATION_ADMIN
    ]
    if not demoted:
        return
    left = await tx.members.page(
        organization_id=demoted[0].after.organization_id, role=MemberRole.ORGANIZATION_ADMIN, limit=1
    )
    if not left.items:
        raise Conflict("This would leave nobody as organization admin. Nothing was saved.")


def _fingerprint(organization_id: str, changes: list[PlannedChange]) -> str:
    digest = hashlib.sha256(organization_id.encode())
    for change in changes:
        for member in (change.before, change.after):
            fields = (
                ()
                if member is None
                else (
                    member.external_id,
                    member.email,
                    member.display_name,
                    member.role.value,
                    str(member.licensed),
                )
            )
            digest.update(repr(fields).encode())
    return digest.hexdigest()
