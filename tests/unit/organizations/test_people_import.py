"""Importing people: files are read with suspicion, a preview saves nothing, an apply saves all or nothing."""

from __future__ import annotations

import pytest

from ostiary.adapters.sql.unit_of_work import SQLTransactions
from ostiary.core.audit.model import SYSTEM
from ostiary.core.kernel.clock import MovableClock
from ostiary.core.kernel.entropy import SeededEntropy
from ostiary.core.kernel.errors import Conflict, InvalidRequest
from ostiary.core.organizations.model import Member, MemberRole
from ostiary.core.organizations.people_file import MOST_BYTES, MOST_PEOPLE, parse_people
from ostiary.core.organizations.people_import import ChangeKind, PeopleImport
from ostiary.core.organizations.service import OrganizationService

TOM = b"email,name,id,licence\ntom.ellis@hv.example,Tom Ellis,u1,yes\n"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\xff\xfee\x00m\x00", "UTF-8"),
        ("email,name\njosé@hv.example,José".encode("latin-1"), "UTF-8"),
        (b"x" * (MOST_BYTES + 1), "larger"),
        (b"", "names the columns"),
        (b"email\ntom@hv.example", "names the columns"),
        (b"email,name,password\na@hv.example,A,x", "names the columns"),
        (b"email,name,name\na@hv.example,A,A", "names the columns"),
        (b"email,name\n", "no people"),
        (b'email,name\na@hv.example,"A\n', "not CSV"),
        (b"email,name\na@hv.example,A\0", "not text"),
        (b"email,name\n" + b"".join(b"p%d@hv.example,P\n" % n for n in range(MOST_PEOPLE + 1)), "At most"),
    ],
)
def test_a_file_that_cannot_be_read_says_why(data: bytes, words: str) -> None:
    with pytest.raises(InvalidRequest, match=words):
        parse_people(data)


@pytest.mark.parametrize(
    ("line", "column"),
    [
        ("tom,Tom,,,", "email"),
        ("t@hv.example,,,,", "name"),
        ("t@hv.example,=cmd|' /C calc'!A0,,,", "name"),
        ("t@hv.example,+1,,,", "name"),
        ("-t@hv.example,Tom,,,", "email"),
        ("t@hv.example,Tom,@SUM(A1),,", "id"),
        ("t@hv.example,Tom,a b,,", "id"),
        ("t@hv.example,Tom,,owner,", "role"),
        ("t@hv.example,Tom,,,maybe", "licence"),
        ("t@hv.example,Tom", ""),
        ("first@hv.example,Tom,,,", "email"),
        (f"t@hv.example,{'x' * 500},,,", "name"),
    ],
)
def test_an_error_names_its_line_and_column(line: str, column: str) -> None:
    text = f"email,name,id,role,licence\nfirst@hv.example,First,u0,,\n\n{line}\nlast@hv.example,Last,,,\n"
    file = parse_people(text.encode())
    assert [(error.line, error.column) for error in file.errors] == [(4, column)]
    assert [row.email for row in file.rows] == ["first@hv.example", "last@hv.example"]


def test_files_of_excel_are_read_with_their_mark_and_semicolons() -> None:
    data = "\ufeffName;Email;Licence\r\nJosé;j@hv.example;Yes\r\n".encode()
    [row] = parse_people(data).rows
    assert (row.display_name, row.email, row.external_id, row.licensed) == (
        "José",
        "j@hv.example",
        "j@hv.example",
        True,
    )


class World:
    def __init__(self, transactions: SQLTransactions, clock: MovableClock) -> None:
        entropy = SeededEntropy(11)
        self.imports = PeopleImport(transactions=transactions, clock=clock, entropy=entropy)
        self.organizations = OrganizationService(transactions=transactions, clock=clock, entropy=entropy)
        self.id = ""

    async def people(self) -> dict[str, Member]:
        page = await self.organizations.list_members(organization_id=self.id)
        return {member.external_id: member for member in page.items}

    async def apply(self, data: bytes, fingerprint: str | None = None):
        return await self.imports.apply(data, organization_id=self.id, fingerprint=fingerprint, actor=SYSTEM)


@pytest.fixture
async def world(transactions: SQLTransactions, clock: MovableClock) -> World:
    made = World(transactions, clock)
    organization, _ = await made.organizations.create(
        external_id="hv", name="Harbour & Vale", seat_count=2, actor=SYSTEM
    )
    made.id = organization.id
    return made


async def test_a_preview_saves_nothing_and_an_apply_does_what_it_showed(world: World) -> None:
    plan = await world.imports.preview(TOM, organization_id=world.id)
    assert [(change.kind, change.line) for change in plan.changes] == [(ChangeKind.ADDED, 2)]
    assert plan.can_apply
    assert await world.people() == {}
    await world.apply(TOM, plan.fingerprint)
    assert (await world.people())["u1"].licensed
    again = await world.imports.preview(TOM, organization_id=world.id)
    assert [change.kind for change in again.changes] == [ChangeKind.SAME]
    assert not again.can_apply


async def test_the_vendors_own_id_names_the_person_whatever_else_changed(world: World) -> None:
    await world.apply(TOM)
    before = (await world.people())["u1"]
    plan = await world.apply(b"id,email,name,licence\nu1,t.ellis@hv.example,Thomas Ellis,no\n")
    [change] = plan.changes
    assert change.words == ("name was Tom Ellis", "address was tom.ellis@hv.example", "loses the licence")
    after = (await world.people())["u1"]
    assert (after.id, after.email, after.licensed) == (before.id, "t.ellis@hv.example", False)


async def test_a_column_that_is_absent_or_empty_changes_nothing(world: World) -> None:
    await world.apply(TOM)
    plan = await world.imports.preview(
        b"id,email,name\nu1,tom.ellis@hv.example,Tom Ellis\n", organization_id=world.id
    )
    assert [change.kind for change in plan.changes] == [ChangeKind.SAME]


async def test_an_apply_after_somebody_changed_people_is_refused(world: World) -> None:
    plan = await world.imports.preview(TOM, organization_id=world.id)
    await world.organizations.add_member(
        organization_id=world.id, external_id="u1", email="x@hv.example", display_name="X", actor=SYSTEM
    )
    with pytest.raises(Conflict, match="changed since"):
        await world.apply(TOM, plan.fingerprint)
    assert (await world.people())["u1"].display_name == "X"


async def test_more_licences_than_there_are_save_nobody(world: World) -> None:
    data = b"email,name,licence\n" + b"".join(b"p%d@hv.example,P%d,yes\n" % (n, n) for n in range(3))
    assert (await world.imports.preview(data, organization_id=world.id)).lacks_seats
    with pytest.raises(Conflict, match="needs 3 licences"):
        await world.apply(data)
    assert await world.people() == {}


async def test_an_address_of_somebody_else_is_a_line_error_and_nothing_is_saved(world: World) -> None:
    await world.apply(TOM)
    data = b"id,email,name\nu9,TOM.ELLIS@hv.example,Other\nu8,eight@hv.example,Eight\n"
    plan = await world.imports.preview(data, organization_id=world.id)
    assert [(error.line, error.column) for error in plan.errors] == [(2, "email")]
    with pytest.raises(Conflict, match="Line 2"):
        await world.apply(data)
    assert set(await world.people()) == {"u1"}


async def test_the_last_organization_admin_cannot_be_imported_away(world: World) -> None:
    header = b"id,email,name,role\n"
    await world.apply(header + b"u1,a@hv.example,Dana,organization admin\n")
    with pytest.raises(Conflict, match="nobody as organization admin"):
        await world.apply(header + b"u1,a@hv.example,Dana,member\n")
    assert (await world.people())["u1"].role is MemberRole.ORGANIZATION_ADMIN
