"""The state of one sign-in between its pages, carried sealed in a hidden form field."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from m365_emulator.entra.authorization import Kind
from m365_emulator.entra.seal import seal, unseal

if TYPE_CHECKING:
    from m365_emulator.world.world import World

_PATHS: dict[str, str] = {
    "authorize": "/{}/oauth2/v2.0/authorize",
    "authorize_v1": "/{}/oauth2/authorize",
    "adminconsent": "/{}/v2.0/adminconsent",
    "adminconsent_v1": "/{}/adminconsent",
    "device": "/devicelogin",
}


@dataclass(slots=True)
class Flow:
    """What has happened so far; the request itself is checked again on every page."""

    kind: Kind
    segment: str
    params: dict[str, str] = field(repr=False)
    oid: str = ""
    """Home identity that was chosen."""
    is_chosen: bool = False
    """The person chose the account on a page of this flow."""
    is_proved: bool = False
    """The password was given in this flow, or the session stands for it."""
    passed_mfa: bool = False
    address: str = ""
    """Typed address, to be shown again."""

    def sealed(self, world: World) -> str:
        """Return the hidden field."""
        return seal(world, "flow", asdict(self))

    @classmethod
    def opened(cls, world: World, text: str) -> Flow | None:
        """Return the flow of a hidden field, or None when it is not one of ours."""
        content = unseal(world, "flow", text)
        return cls(**content) if content else None

    @property
    def path(self) -> str:
        """Path of the endpoint that began the flow."""
        return _PATHS[self.kind].format(self.segment)

    def start_url(self, **changes: str) -> str:
        """Return the address that begins the flow anew, with changed parameters."""
        return f"{self.path}?{urlencode({**self.params, **changes})}"
