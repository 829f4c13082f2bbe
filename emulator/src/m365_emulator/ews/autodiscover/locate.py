"""Where a mailbox lives, as Autodiscover tells it."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import Request

from m365_emulator.ews.endpoint import base_url
from m365_emulator.world.tenants import User
from m365_emulator.world.world import World

EWS_PATH = "/EWS/Exchange.asmx"


@dataclass(frozen=True, slots=True)
class Location:
    """What is known about an address.

    Args:
        user: The person, None for an address nobody has in a domain that is known.
        service_url: Scheme and host of the Exchange that holds (or would hold) the mailbox.
        on_premises: The mailbox is on the company's own server.
    """

    user: User | None
    service_url: str
    on_premises: bool

    @property
    def ews_url(self) -> str:
        """The EWS endpoint for the mailbox."""
        return self.service_url + EWS_PATH


def locate(world: World, request: Request, address: str) -> Location | None:
    """Return where the mailbox with that address is; None when its domain is nobody's here."""
    domain = address.rpartition("@")[2]
    tenant = world.find_tenant(domain)
    user = world.find_user(address)
    if tenant is None and user is None:
        return None
    if user is not None and user.mailbox_location == "on_premises":
        return Location(user, f"https://mail.{domain}", on_premises=True)
    return Location(user, exchange_base(world, request), on_premises=False)


def exchange_base(world: World, request: Request) -> str:
    """Return scheme and host of EWS as seen from an Autodiscover request.

    Autodiscover answers on host names of its own and on those of the tenants' domains, of which none serves EWS.
    """
    host = (request.headers.get("host") or "").lower().partition(":")[0]
    if host.startswith(("autodiscover.", "autodiscover-s.")) or world.find_tenant(host) is not None:
        return "https://outlook.office365.com"
    return base_url(request)
