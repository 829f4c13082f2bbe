"""Organizations and members in PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import (
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    RowMapping,
    Table,
    Text,
    UniqueConstraint,
    false,
    func,
    or_,
    select,
    text,
    true,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from ostiary.adapters.sql.schema import UTCDateTime, metadata
from ostiary.core.kernel.access_method import AccessMethod
from ostiary.core.kernel.errors import Conflict, InvalidRequest, NotFound
from ostiary.core.kernel.page import Page
from ostiary.core.organizations.model import Member, MemberRole, Organization

organizations: Final = Table(
    "organizations",
    metadata,
    Column("id", Text, primary_key=True),
    Column("external_id", Text, nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("created_at", UTCDateTime, nullable=False),
    Column("seat_count", Integer, nullable=False),
    Column("allowed_domains", ARRAY(Text), nullable=False),
    Column("expected_tenant_id", Text),
    Column("pinned_method", Text),
    Column("it_contact_name", Text),
    Column("it_contact_email", Text),
    Column("weekly_digest", Boolean, nullable=False, server_default=true()),
)

members: Final = Table(
    "members",
    metadata,
    Column("id", Text, primary_key=True),
    Column("organization_id", Text, ForeignKey("organizations.id", ondelete="CASCADE"), nullable=False),
    Column("external_id", Text, nullable=False),
    Column("email", Text, nullable=False),
    Column("display_name", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("licensed", Boolean, nullable=False, server_default=false()),
    Column("created_at", UTCDateTime, nullable=False),
    Column("tenant_id", Text),
    Column("object_id", Text),
    UniqueConstraint("organization_id", "external_id"),
    # Lists are read by name, a page at a time.
    Index("ix_members_by_name", "organization_id", text("lower(display_name)"), "id"),
    Index("ix_members_by_email", "organization_id", text("lower(email)")),
    # One Microsoft identity is one member, whichever organization it is in (SR-28).
    Index(
        "uq_members_identity",
        "tenant_id",
        "object_id",
        unique=True,
        postgresql_where=text("tenant_id IS NOT NULL AND object_id IS NOT NULL"),
    ),
)

_MOST_CANDIDATES: Final = 10
"""More organizations than this with the same domain is a mistake that a person must sort out."""

_ORGANIZATION_NAME: Final = func.lower(organizations.c.name)
MEMBER_NAME: Final = func.lower(members.c.display_name)


class SQLOrganizationStore:
    """Keeps organizations."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def add(self, organization: Organization) -> None:
        statement = (
            upsert(organizations)
            .values(_organization_values(organization))
            .on_conflict_do_nothing(index_elements=["external_id"])
            .returning(organizations.c.id)
        )
        if (await self._connection.execute(statement)).first() is None:
            raise Conflict(f"There is already an organization with the id {organization.external_id!r}.")

    async def save(self, organization: Organization) -> None:
        statement = (
            update(organizations)
            .where(organizations.c.id == organization.id)
            .values(_organization_values(organization))
        )
        if (await self._connection.execute(statement)).rowcount != 1:
            raise _no_organization()

    async def get(self, organization_id: str) -> Organization:
        statement = select(organizations).where(organizations.c.id == organization_id)
        row = (await self._connection.execute(statement)).mappings().one_or_none()
        if row is None:
            raise _no_organization()
        return _organization(row)

    async def lock(self, organization_id: str) -> Organization:
        """Read the organization and hold its row until the transaction ends, so that seats are counted once."""
        statement = select(organizations).where(organizations.c.id == organization_id).with_for_update()
        row = (await self._connection.execute(statement)).mappings().one_or_none()
        if row is None:
            raise _no_organization()
        return _organization(row)

    async def find_by_external_id(self, external_id: str) -> Organization | None:
        statement = select(organizations).where(organizations.c.external_id == external_id)
        row = (await self._connection.execute(statement)).mappings().one_or_none()
        return None if row is None else _organization(row)

    async def candidates_for_tenant(
        self, *, tenant_id: str, domains: Sequence[str]
    ) -> tuple[Organization, ...]:
        statement = (
            select(organizations)
            .where(
                or_(
                    organizations.c.expected_tenant_id == tenant_id,
                    organizations.c.allowed_domains.overlap(list(domains)),
                )
            )
            .order_by(organizations.c.created_at, organizations.c.id)
            .limit(_MOST_CANDIDATES)
        )
        rows = (await self._connection.execute(statement)).mappings()
        return tuple(_organization(row) for row in rows)

    async def page(
        self, *, search: str | None = None, cursor: str | None = None, limit: int = 50
    ) -> Page[Organization]:
        statement = select(organizations).order_by(_ORGANIZATION_NAME, organizations.c.id).limit(limit + 1)
        if search:
            statement = statement.where(
                or_(
                    organizations.c.name.icontains(search, autoescape=True),
                    organizations.c.external_id.icontains(search, autoescape=True),
                )
            )
        if cursor is not None:
            after = select(_ORGANIZATION_NAME, organizations.c.id).where(organizations.c.id == cursor)
            last = (await self._connection.execute(after)).one_or_none()
            if last is None:
                raise no_such_page()
            statement = statement.where(tuple_(_ORGANIZATION_NAME, organizations.c.id) > tuple_(*last))
        rows = (await self._connection.execute(statement)).mappings().all()
        found = tuple(_organization(row) for row in rows[:limit])
        return Page(found, found[-1].id if len(rows) > limit else None)

    async def count(self) -> int:
        """How many customers there are."""
        statement = select(func.count()).select_from(organizations)
        return (await self._connection.execute(statement)).scalar_one()


class SQLMemberStore:
    """Keeps members."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def add(self, member: Member) -> None:
        statement = (
            upsert(members)
            .values(_member_values(member))
            .on_conflict_do_nothing(index_elements=["organization_id", "external_id"])
            .returning(members.c.id)
        )
        if (await self._connection.execute(statement)).first() is None:
            raise Conflict(f"There is already a member with the id {member.external_id!r}.")

    async def save(self, member: Member) -> None:
        statement = (
            update(members)
            .where(members.c.id == member.id, members.c.organization_id == member.organization_id)
            .values(_member_values(member))
        )
        if (await self._connection.execute(statement)).rowcount != 1:
            raise _no_member()

    async def get(self, member_id: str, *, organization_id: str) -> Member:
        found = await self._find(members.c.id == member_id, members.c.organization_id == organization_id)
        if found is None:
            raise _no_member()
        return found

    async def find_by_external_id(self, external_id: str, *, organization_id: str) -> Member | None:
        return await self._find(
            members.c.external_id == external_id, members.c.organization_id == organization_id
        )

    async def find_by_email(self, email: str, *, organization_id: str) -> Member | None:
        return await self._find(
            func.lower(members.c.email) == email.lower(), members.c.organization_id == organization_id
        )

    async def find_by_identity(self, *, tenant_id: str, object_id: str) -> Member | None:
        return await self._find(members.c.tenant_id == tenant_id, members.c.object_id == object_id)

    async def page(
        self,
        *,
        organization_id: str,
        search: str | None = None,
        licensed: bool | None = None,
        role: MemberRole | None = None,
        cursor: str | None = None,
        limit: int = 50,
    ) -> Page[Member]:
        statement = (
            select(members)
            .where(*member_filters(organization_id, search, licensed, role))
            .order_by(MEMBER_NAME, members.c.id)
            .limit(limit + 1)
        )
        if cursor is not None:
            after = select(MEMBER_NAME, members.c.id).where(
                members.c.id == cursor, members.c.organization_id == organization_id
            )
            last = (await self._connection.execute(after)).one_or_none()
            if last is None:
                raise no_such_page()
            statement = statement.where(tuple_(MEMBER_NAME, members.c.id) > tuple_(*last))
        rows = (await self._connection.execute(statement)).mappings().all()
        found = tuple(member_of_row(row) for row in rows[:limit])
        return Page(found, found[-1].id if len(rows) > limit else None)

    async def count(
        self, organization_id: str, *, search: str | None = None, licensed: bool | None = None
    ) -> int:
        """How many members fit the filters of :meth:`page`."""
        statement = (
            select(func.count())
            .select_from(members)
            .where(*member_filters(organization_id, search, licensed, None))
        )
        return (await self._connection.execute(statement)).scalar_one()

    async def count_licensed(self, organization_id: str) -> int:
        return await self.count(organization_id, licensed=True)

    async def _find(self, *conditions: Any) -> Member | None:
        # An address is no key, so two members may share one: the oldest wins, always the same.
        statement = select(members).where(*conditions).order_by(members.c.created_at, members.c.id).limit(1)
        row = (await self._connection.execute(statement)).mappings().one_or_none()
        return None if row is None else member_of_row(row)


def member_filters(
    organization_id: str, search: str | None, licensed: bool | None, role: MemberRole | None
) -> list[Any]:
    """Conditions of the member lists, here and in the roster."""
    conditions: list[Any] = [members.c.organization_id == organization_id]
    if search:
        conditions.append(
            or_(
                members.c.display_name.icontains(search, autoescape=True),
                members.c.email.icontains(search, autoescape=True),
                members.c.external_id.icontains(search, autoescape=True),
            )
        )
    if licensed is not None:
        conditions.append(members.c.licensed.is_(licensed))
    if role is not None:
        conditions.append(members.c.role == role.value)
    return conditions


def _organization_values(organization: Organization) -> dict[str, Any]:
    return {
        "id": organization.id,
        "external_id": organization.external_id,
        "name": organization.name,
        "created_at": organization.created_at,
        "seat_count": organization.seat_count,
        "allowed_domains": list(organization.allowed_domains),
        "expected_tenant_id": organization.expected_tenant_id,
        "pinned_method": None if organization.pinned_method is None else organization.pinned_method.value,
        "it_contact_name": organization.it_contact_name,
        "it_contact_email": organization.it_contact_email,
        "weekly_digest": organization.weekly_digest,
    }


def _organization(row: RowMapping) -> Organization:
    return Organization(
        id=row["id"],
        external_id=row["external_id"],
        name=row["name"],
        created_at=row["created_at"],
        seat_count=row["seat_count"],
        allowed_domains=tuple(row["allowed_domains"]),
        expected_tenant_id=row["expected_tenant_id"],
        pinned_method=None if row["pinned_method"] is None else AccessMethod(row["pinned_method"]),
        it_contact_name=row["it_contact_name"],
        it_contact_email=row["it_contact_email"],
        weekly_digest=row["weekly_digest"],
    )


def _member_values(member: Member) -> dict[str, Any]:
    return {
        "id": member.id,
        "organization_id": member.organization_id,
        "external_id": member.external_id,
        "email": member.email,
        "display_name": member.display_name,
        "role": member.role.value,
        "licensed": member.licensed,
        "created_at": member.created_at,
        "tenant_id": member.tenant_id,
        "object_id": member.object_id,
    }


def member_of_row(row: RowMapping) -> Member:
    """Return the member that a row of the table holds."""
    return Member(
        id=row["id"],
        organization_id=row["organization_id"],
        external_id=row["external_id"],
        email=row["email"],
        display_name=row["display_name"],
        role=MemberRole(row["role"]),
        licensed=row["licensed"],
        created_at=row["created_at"],
        tenant_id=row["tenant_id"],
        object_id=row["object_id"],
    )


def _no_organization() -> NotFound:
    return NotFound("There is no such organization.")


def _no_member() -> NotFound:
    return NotFound("There is no such person in this organization.")


def no_such_page() -> InvalidRequest:
    """The refusal of a cursor that fits no row of the list."""
    return InvalidRequest("This page of the list no longer exists. Start at the first one.", field="cursor")
