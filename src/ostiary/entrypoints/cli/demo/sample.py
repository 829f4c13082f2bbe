"""The sample company as the vendor knows it: customers, people, licences (UX.md's Harbour & Vale)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from ostiary.bootstrap import Services
from ostiary.core.access.model import Permission
from ostiary.core.audit.model import SYSTEM
from ostiary.core.organizations.model import Member, MemberRole, Organization


@dataclass(frozen=True, slots=True)
class SamplePerson:
    """A member: their external id is the part of the address before the @."""

    address: str
    name: str
    licensed: bool = True
    is_admin: bool = False
    note: str = ""
    """What to try with this account."""

    @property
    def external_id(self) -> str:
        return self.address.partition("@")[0]


@dataclass(frozen=True, slots=True)
class SampleOrganization:
    """A customer of the vendor."""

    external_id: str
    name: str
    domain: str
    seats: int
    it_contact: tuple[str, str]
    people: tuple[SamplePerson, ...]


_HV: Final = "harbourvale.example"
_NORDICS: Final = "hv-nordics.example"
_LABS: Final = "hv-labs.example"

PRIYA: Final = f"priya.nair@{_HV}"
"""The administrator whom the sample customer asks."""

ORGANIZATIONS: Final = (
    SampleOrganization(
        "hv",
        "Harbour & Vale",
        _HV,
        25,
        ("Priya Nair", f"priya.nair@{_HV}"),
        (
            SamplePerson(f"dana.okafor@{_HV}", "Dana Okafor", is_admin=True, note="organization admin"),
            SamplePerson(f"tom.ellis@{_HV}", "Tom Ellis", note="connects mail and calendar"),
            SamplePerson(f"sales.one@{_HV}", "Sales One"),
            SamplePerson(f"sales.two@{_HV}", "Sales Two"),
            SamplePerson(f"sales.three@{_HV}", "Sales Three", licensed=False, note="no licence yet"),
            SamplePerson(f"finance.one@{_HV}", "Finance One", note="mail at another address"),
            SamplePerson(f"contractor.one@{_HV}", "Contractor One", note="no Exchange Online licence"),
            SamplePerson(f"warehouse.one@{_HV}", "Warehouse One", note="mailbox on own servers"),
        ),
    ),
    SampleOrganization(
        "hv-nordics",
        "Harbour & Vale Nordics",
        _NORDICS,
        10,
        ("Nordics Administrator", f"nordics.admin@{_NORDICS}"),
        (
            SamplePerson(f"nordics.one@{_NORDICS}", "Nordics One", note="not approved yet"),
            SamplePerson(f"nordics.two@{_NORDICS}", "Nordics Two"),
        ),
    ),
    SampleOrganization(
        "hv-labs",
        "Harbour & Vale Labs",
        _LABS,
        10,
        ("Labs Administrator", f"labs.admin@{_LABS}"),
        (
            SamplePerson(f"labs.one@{_LABS}", "Labs One", note="EWS is on and this app is listed"),
            SamplePerson(f"labs.two@{_LABS}", "Labs Two"),
        ),
    ),
)

ADMINISTRATORS: Final = (
    (f"priya.nair@{_HV}", "Cloud Application Administrator: may approve for Harbour & Vale"),
    (f"exchange.admin@{_HV}", "Exchange Administrator: may not approve"),
    (f"nordics.admin@{_NORDICS}", "Global Administrator of Harbour & Vale Nordics"),
    (f"labs.admin@{_LABS}", "Application Administrator of Harbour & Vale Labs"),
    ("other.admin@other-company.example", "administrator of another company"),
)
"""Accounts that exist at Microsoft only: IT administrators need no seat with the vendor."""


async def sow(services: Services) -> None:
    """Put the sample customers into the service; what is there already stays as it is."""
    for sample in ORGANIZATIONS:
        organization, _ = await services.organizations.create(
            external_id=sample.external_id,
            name=sample.name,
            seat_count=sample.seats,
            allowed_domains=(sample.domain,),
            it_contact_name=sample.it_contact[0],
            it_contact_email=sample.it_contact[1],
            actor=SYSTEM,
        )
        for person in sample.people:
            await services.organizations.add_member(
                organization_id=organization.id,
                external_id=person.external_id,
                email=person.address,
                display_name=person.name,
                role=MemberRole.ORGANIZATION_ADMIN if person.is_admin else MemberRole.MEMBER,
                licensed=person.licensed,
                actor=SYSTEM,
            )


async def find_person(services: Services, address: str) -> tuple[Organization, Member]:
    """Return the sample member with this address.

    Raises:
        NotFound: Nobody in the sample has it.
    """
    domain = address.partition("@")[2]
    sample = next(each for each in ORGANIZATIONS if each.domain == domain)
    organization = await services.organizations.resolve(sample.external_id)
    member = await services.organizations.resolve_member(address, organization_id=organization.id)
    return organization, member


async def approval_link(services: Services, external_id: str, *, asked_by: str) -> str:
    """Return a fresh link for the organization's IT administrator."""
    organization, member = await find_person(services, asked_by)
    if organization.external_id != external_id:
        raise ValueError(f"{asked_by} is not of {external_id}")
    issued = await services.consent.links.create(
        organization_id=organization.id,
        asked_by_name=member.display_name,
        asked_by_member_id=member.id,
        actor=SYSTEM,
    )
    return issued.url.reveal()


async def connect_link(services: Services, address: str, *, connection_id: str | None = None) -> str:
    """Return a fresh address with which this person may connect (again) for a quarter of an hour."""
    organization, member = await find_person(services, address)
    made = await services.connections.sessions.create(
        organization_id=organization.id,
        member_id=member.id,
        connection_id=connection_id,
        actor=SYSTEM,
    )
    return f"{services.settings.public_url}/connect/s/{made.secret.reveal()}"


async def console_link(services: Services) -> str:
    """Return a fresh one-time link into the operator's console."""
    name = "Vik"
    _, secret = await services.access.create_operator_link(name=name, actor=SYSTEM)
    return f"{services.settings.effective_console_url}/console/link/{secret.reveal()}"


async def api_key(services: Services) -> str:
    """Return a fresh API key that may do everything for a day."""
    wanted = (
        Permission.API_READ,
        Permission.API_MANAGE,
        Permission.API_MAILBOX_READ,
        Permission.API_MAILBOX_WRITE,
    )
    _, text = await services.access.create_api_key(
        name="Demo", permissions=wanted, life=timedelta(days=1), actor=SYSTEM
    )
    return text.reveal()


async def admin_console_link(services: Services, address: str) -> str:
    """Return a fresh link with which an organization admin signs in to the console for the first time."""
    organization, member = await find_person(services, address)
    _, secret = await services.access.create_admin_link(
        organization_id=organization.id, member_id=member.id, actor=SYSTEM
    )
    return f"{services.settings.effective_console_url}/console/link/{secret.reveal()}"
