"""Changing people one by one, as the vendor's own system knows them."""

from __future__ import annotations

from dataclasses import replace

from ostiary.core.audit.model import Actor
from ostiary.core.kernel.clock import Clock
from ostiary.core.kernel.entropy import Entropy
from ostiary.core.kernel.errors import Conflict
from ostiary.core.kernel.ids import new_id
from ostiary.core.kernel.transactions import Transactions
from ostiary.core.organizations import rules
from ostiary.core.organizations.model import Member, MemberRole, Organization
from ostiary.core.organizations.ports import OrganizationTransaction
from ostiary.core.organizations.service import LICENCES_GIVEN_JOB, LICENCES_TAKEN_JOB, require_seats


class MemberChanges:
    """Use cases of changing a member. Each change is one transaction: all of it, or nothing."""

    def __init__(
        self, *, transactions: Transactions[OrganizationTransaction], clock: Clock, entropy: Entropy
    ) -> None:
        self._transactions = transactions
        self._clock = clock
        self._entropy = entropy

    async def put(
        self,
        *,
        organization_id: str,
        external_id: str,
        email: str,
        display_name: str,
        role: MemberRole | None = None,
        licensed: bool | None = None,
        actor: Actor,
    ) -> tuple[Member, bool]:
        """Make the person with this ``external_id`` be like this. Saying it twice changes nothing the second time.

        Args:
            role: None keeps what is; a new person is a member.
            licensed: None keeps what is; a new person has none.

        Returns:
            The member, and whether it is new.

        Raises:
            InvalidRequest: A value cannot be used; ``field`` names it.
            Conflict: No licence is left, the address is somebody else's, or the last organization admin would go.
            NotFound: No such organization.
        """
        wanted = Member(
            id=new_id("mem", self._entropy),
            organization_id=organization_id,
            external_id=rules.external_id(external_id),
            email=rules.email(email),
            display_name=rules.text(display_name, field="display_name"),
            role=role or MemberRole.MEMBER,
            licensed=bool(licensed),
            created_at=self._clock.now(),
        )
        async with self._transactions() as tx:
            organization = await tx.organizations.lock(organization_id)
            before = await tx.members.find_by_external_id(wanted.external_id, organization_id=organization_id)
            if before is not None:
                after = replace(
                    before,
                    email=wanted.email,
                    display_name=wanted.display_name,
                    role=before.role if role is None else role,
                    licensed=before.licensed if licensed is None else licensed,
                )
                await _save(tx, organization, before, after, actor)
                return after, False
            await _require_free_address(tx, wanted)
            if wanted.licensed:
                await require_seats(tx, organization, wanted=1)
            await tx.members.add(wanted)
            await tx.audit.record(
                "member.added",
                f"{wanted.display_name} was added" + (" with a licence." if wanted.licensed else "."),
                actor=actor,
                organization_id=organization_id,
                object_id=wanted.id,
                detail={"role": wanted.role.value},
            )
        return wanted, True

    async def change(
        self,
        member_id: str,
        *,
        organization_id: str,
        email: str | None = None,
        display_name: str | None = None,
        role: MemberRole | None = None,
        licensed: bool | None = None,
        actor: Actor,
    ) -> Member:
        """Change what is given of a person; None keeps what is.

        Raises:
            InvalidRequest: A value cannot be used; ``field`` names it.
            Conflict: No licence is left, the address is somebody else's, or the last organization admin would go.
            NotFound: No such member.
        """
        async with self._transactions() as tx:
            organization = await tx.organizations.lock(organization_id)
            before = await tx.members.get(member_id, organization_id=organization_id)
            after = replace(
                before,
                email=before.email if email is None else rules.email(email),
                display_name=before.display_name
                if display_name is None
                else rules.text(display_name, field="display_name"),
                role=before.role if role is None else role,
                licensed=before.licensed if licensed is None else licensed,
            )
            await _save(tx, organization, before, after, actor)
        return after


async def _save(
    tx: OrganizationTransaction, organization: Organization, before: Member, after: Member, actor: Actor
) -> None:
    changed = _words(before, after)
    if not changed:
        return
    if after.email.casefold() != before.email.casefold():
        await _require_free_address(tx, after)
    if before.role is MemberRole.ORGANIZATION_ADMIN and after.role is not MemberRole.ORGANIZATION_ADMIN:
        await _require_another_admin(tx, before)
    if after.licensed and not before.licensed:
        await require_seats(tx, organization, wanted=1)
    await tx.members.save(after)
    subject = {"organization_id": organization.id, "member_id": after.id}
    if after.licensed and not before.licensed:
        await tx.jobs.enqueue(LICENCES_GIVEN_JOB, subject)
    if before.licensed and not after.licensed:
        await tx.jobs.enqueue(LICENCES_TAKEN_JOB, subject)
    await tx.audit.record(
        "member.changed",
        f"{after.display_name} was changed: {'; '.join(changed)}.",
        actor=actor,
        organization_id=organization.id,
        object_id=after.id,
    )


def _words(before: Member, after: Member) -> tuple[str, ...]:
    """Say what differs, without repeating addresses and names that are personal data."""
    return tuple(
        words
        for words, is_changed in (
            ("address", before.email != after.email),
            ("name", before.display_name != after.display_name),
            (f"role {after.role.value}", before.role is not after.role),
            ("licence given" if after.licensed else "licence taken", before.licensed is not after.licensed),
        )
        if is_changed
    )


async def _require_free_address(tx: OrganizationTransaction, member: Member) -> None:
    other = await tx.members.find_by_email(member.email, organization_id=member.organization_id)
    if other is not None and other.id != member.id:
        raise Conflict(f"This address belongs to {other.external_id} already.")


async def _require_another_admin(tx: OrganizationTransaction, member: Member) -> None:
    """SR-66."""
    admins = await tx.members.page(
        organization_id=member.organization_id, role=MemberRole.ORGANIZATION_ADMIN, limit=2
    )
    if len(admins.items) < 2:
        raise Conflict(f"{member.display_name} is the last organization admin. Make somebody else one first.")
