"""Customers, their members, and who holds a licence."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from ostiary.core.audit.model import Actor
from ostiary.core.kernel.access_method import AccessMethod
from ostiary.core.kernel.clock import Clock
from ostiary.core.kernel.entropy import Entropy
from ostiary.core.kernel.errors import Conflict, InvalidRequest
from ostiary.core.kernel.ids import new_id
from ostiary.core.kernel.page import Page
from ostiary.core.kernel.transactions import Transactions
from ostiary.core.organizations import rules
from ostiary.core.organizations.model import Member, MemberRole, Organization
from ostiary.core.organizations.ports import OrganizationTransaction

LICENCES_TAKEN_JOB: Final = "licences.taken"
"""Queued with ``organization_id`` and ``member_id``: what the person connected is paused."""

LICENCES_GIVEN_JOB: Final = "licences.given"
"""The same when a licence is given: what was paused for want of one goes on."""


class OrganizationService:
    """Use cases of organizations."""

    def __init__(
        self, *, transactions: Transactions[OrganizationTransaction], clock: Clock, entropy: Entropy
    ) -> None:
        self._transactions = transactions
        self._clock = clock
        self._entropy = entropy

    async def create(
        self,
        *,
        external_id: str,
        name: str,
        seat_count: int = 0,
        allowed_domains: Iterable[str] = (),
        expected_tenant_id: str | None = None,
        pinned_method: AccessMethod | None = None,
        it_contact_name: str | None = None,
        it_contact_email: str | None = None,
        actor: Actor,
    ) -> tuple[Organization, bool]:
        """Add a customer. Saying it twice is harmless: the one with this ``external_id`` is returned as it is.

        Returns:
            The organization, and whether it is new.

        Raises:
            InvalidRequest: A value cannot be used; ``field`` names it.
        """
        organization = Organization(
            id=new_id("org", self._entropy),
            external_id=rules.external_id(external_id),
            name=rules.text(name, field="name"),
            created_at=self._clock.now(),
            seat_count=rules.seats(seat_count),
            allowed_domains=rules.domains(allowed_domains),
            expected_tenant_id=None if expected_tenant_id is None else rules.tenant_id(expected_tenant_id),
            pinned_method=pinned_method,
            it_contact_name=None
            if it_contact_name is None
            else rules.text(it_contact_name, field="it_contact_name"),
            it_contact_email=None
            if it_contact_email is None
            else rules.email(it_contact_email, field="it_contact_email"),
        )
        async with self._transactions() as transaction:
            known = await transaction.organizations.find_by_external_id(organization.external_id)
            if known is not None:
                return known, False
            await transaction.organizations.add(organization)
            await transaction.audit.record(
                "organization.created",
                f"The customer {organization.name} was added.",
                actor=actor,
                organization_id=organization.id,
                object_id=organization.id,
            )
        return organization, True

    async def get(self, organization_id: str) -> Organization:
        """Raises NotFound."""
        async with self._transactions() as transaction:
            return await transaction.organizations.get(organization_id)

    async def resolve(self, text: str) -> Organization:
        """Return the organization with this id, ours or the vendor's.

        Raises:
            NotFound: Neither fits.
        """
        async with self._transactions() as transaction:
            found = await transaction.organizations.find_by_external_id(text)
            return found or await transaction.organizations.get(text)

    async def list_organizations(
        self, *, search: str | None = None, cursor: str | None = None, limit: int = 50
    ) -> Page[Organization]:
        """Return one page of customers by name."""
        async with self._transactions() as transaction:
            return await transaction.organizations.page(search=search, cursor=cursor, limit=limit)

    async def count_organizations(self) -> int:
        """Return how many customers there are."""
        async with self._transactions() as transaction:
            return await transaction.organizations.count()

    async def set_it_contact(
        self, organization_id: str, *, name: str | None, email: str | None, actor: Actor
    ) -> Organization:
        """Record whom to ask for the approval; None forgets it.

        Raises:
            InvalidRequest: The address cannot be used.
        """
        async with self._transactions() as transaction:
            before = await transaction.organizations.lock(organization_id)
            after = replace(
                before,
                it_contact_name=None if not name else rules.text(name, field="it_contact_name"),
                it_contact_email=None if not email else rules.email(email, field="it_contact_email"),
            )
            await transaction.organizations.save(after)
            await transaction.audit.record(
                "organization.contact_changed",
                "The contact for approvals was changed.",
                actor=actor,
                organization_id=organization_id,
                object_id=organization_id,
            )
            return after

    async def set_weekly_digest(self, organization_id: str, *, is_on: bool, actor: Actor) -> Organization:
        """Send the weekly mail to the organization's admins, or stop it. Saying it twice is harmless."""
        async with self._transactions() as transaction:
            before = await transaction.organizations.lock(organization_id)
            if before.weekly_digest is is_on:
                return before
            after = replace(before, weekly_digest=is_on)
            await transaction.organizations.save(after)
            await transaction.audit.record(
                "organization.digest_changed",
                "The weekly mail was switched on." if is_on else "The weekly mail was switched off.",
                actor=actor,
                organization_id=organization_id,
                object_id=organization_id,
            )
            return after

    async def add_member(
        self,
        *,
        organization_id: str,
        external_id: str,
        email: str,
        display_name: str,
        role: MemberRole = MemberRole.MEMBER,
        licensed: bool = False,
        actor: Actor,
    ) -> tuple[Member, bool]:
        """Add a person. Saying it twice is harmless: the member with this ``external_id`` is returned as it is.

        Returns:
            The member, and whether it is new.

        Raises:
            InvalidRequest: A value cannot be used; ``field`` names it.
            Conflict: A licence was wanted and none is left.
            NotFound: No such organization.
        """
        member = Member(
            id=new_id("mem", self._entropy),
            organization_id=organization_id,
            external_id=rules.external_id(external_id),
            email=rules.email(email),
            display_name=rules.text(display_name, field="display_name"),
            role=role,
            licensed=licensed,
            created_at=self._clock.now(),
        )
        async with self._transactions() as transaction:
            organization = await transaction.organizations.lock(organization_id)
            known = await transaction.members.find_by_external_id(
                member.external_id, organization_id=organization_id
            )
            if known is not None:
                return known, False
            if licensed:
                await require_seats(transaction, organization, wanted=1)
            await transaction.members.add(member)
            await transaction.audit.record(
                "member.added",
                f"{member.display_name} was added" + (" with a licence." if licensed else "."),
                actor=actor,
                organization_id=organization_id,
                object_id=member.id,
                detail={"role": role.value},
            )
        return member, True

    async def get_member(self, member_id: str, *, organization_id: str) -> Member:
        """Raises NotFound."""
        async with self._transactions() as transaction:
            return await transaction.members.get(member_id, organization_id=organization_id)

    async def resolve_member(self, text: str, *, organization_id: str) -> Member:
        """Return the member with this id (ours or the vendor's) or address: for the command line, never for sign-in.

        Raises:
            NotFound: None fits.
        """
        async with self._transactions() as transaction:
            members = transaction.members
            found = await members.find_by_external_id(text, organization_id=organization_id)
            found = found or await members.find_by_email(text, organization_id=organization_id)
            return found or await members.get(text, organization_id=organization_id)

    async def list_members(
        self,
        *,
        organization_id: str,
        search: str | None = None,
        licensed: bool | None = None,
        role: MemberRole | None = None,
        cursor: str | None = None,
        limit: int = 50,
    ) -> Page[Member]:
        """Return one page of members by name."""
        async with self._transactions() as transaction:
            return await transaction.members.page(
                organization_id=organization_id,
                search=search,
                licensed=licensed,
                role=role,
                cursor=cursor,
                limit=limit,
            )

    async def count_members(
        self, organization_id: str, *, search: str | None = None, licensed: bool | None = None
    ) -> int:
        """Return how many members fit."""
        async with self._transactions() as transaction:
            return await transaction.members.count(organization_id, search=search, licensed=licensed)

    async def set_role(
        self, member_id: str, role: MemberRole, *, organization_id: str, actor: Actor
    ) -> Member:
        """Make a member an organization admin, or no longer one.

        Raises:
            Conflict: It is the last organization admin (SR-66).
        """
        async with self._transactions() as transaction:
            await transaction.organizations.lock(organization_id)
            member = await transaction.members.get(member_id, organization_id=organization_id)
            if member.role is role:
                return member
            if member.role is MemberRole.ORGANIZATION_ADMIN:
                admins = await transaction.members.page(
                    organization_id=organization_id, role=MemberRole.ORGANIZATION_ADMIN, limit=2
                )
                if len(admins.items) < 2:
                    raise Conflict(
                        f"{member.display_name} is the last organization admin. Make somebody else one first."
                    )
            changed = replace(member, role=role)
            await transaction.members.save(changed)
            # A role that comes back later must not find an old session or link that still works (SR-65).
            await transaction.console_sessions.end_all_of(member_id, at=self._clock.now())
            await transaction.one_time_links.withdraw_all_of(member_id, at=self._clock.now())
            await transaction.audit.record(
                "member.role_changed",
                f"{member.display_name} is now "
                + ("an organization admin." if role is MemberRole.ORGANIZATION_ADMIN else "a member."),
                actor=actor,
                organization_id=organization_id,
                object_id=member_id,
            )
            return changed

    async def give_licences(
        self, member_ids: Iterable[str], *, organization_id: str, actor: Actor
    ) -> tuple[Member, ...]:
        """Give licences to all of these people, or to none.

        Returns:
            Those who did not have one before.

        Raises:
            Conflict: Not enough licences are left.
            NotFound: One of them is not a member.
        """
        async with self._transactions() as transaction:
            organization = await transaction.organizations.lock(organization_id)
            without = [
                member
                for member in await _members(transaction, member_ids, organization_id)
                if not member.licensed
            ]
            await require_seats(transaction, organization, wanted=len(without))
            changed = tuple(replace(member, licensed=True) for member in without)
            for member in changed:
                await transaction.members.save(member)
                await transaction.jobs.enqueue(
                    LICENCES_GIVEN_JOB, {"organization_id": organization_id, "member_id": member.id}
                )
                await transaction.audit.record(
                    "member.licence_given",
                    f"{member.display_name} got a licence.",
                    actor=actor,
                    organization_id=organization_id,
                    object_id=member.id,
                )
            return changed

    async def take_licences(
        self, member_ids: Iterable[str], *, organization_id: str, actor: Actor
    ) -> tuple[Member, ...]:
        """Take licences away. What that does to a connected mailbox happens in the background, once this is saved.

        Returns:
            Those who had one before.

        Raises:
            NotFound: One of them is not a member.
        """
        async with self._transactions() as transaction:
            await transaction.organizations.lock(organization_id)
            holding = [
                member
                for member in await _members(transaction, member_ids, organization_id)
                if member.licensed
            ]
            changed = tuple(replace(member, licensed=False) for member in holding)
            for member in changed:
                await transaction.members.save(member)
                await transaction.jobs.enqueue(
                    LICENCES_TAKEN_JOB, {"organization_id": organization_id, "member_id": member.id}
                )
                await transaction.audit.record(
                    "member.licence_taken",
                    f"{member.display_name} lost the licence.",
                    actor=actor,
                    organization_id=organization_id,
                    object_id=member.id,
                )
            return changed


async def _members(
    transaction: OrganizationTransaction, member_ids: Iterable[str], organization_id: str
) -> list[Member]:
    wanted = tuple(dict.fromkeys(member_ids))
    if not wanted:
        raise InvalidRequest("Choose at least one person.", field="member_ids")
    return [await transaction.members.get(member_id, organization_id=organization_id) for member_id in wanted]


async def require_seats(
    transaction: OrganizationTransaction, organization: Organization, *, wanted: int
) -> None:
    """Refuse when fewer licences are left; the caller holds the organization's lock.

    Raises:
        Conflict: Not enough are left.
    """
    if organization.seat_count == 0 or wanted == 0:
        return
    left = organization.seat_count - await transaction.members.count_licensed(organization.id)
    if wanted > left:
        raise Conflict(
            f"{organization.name} has {organization.seat_count} licences and {max(left, 0)} left; {wanted} more are needed."
        )
