"""What one page of a flow needs to know."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.requests import Request

from m365_emulator.entra.authorization import AuthorizationRequest
from m365_emulator.entra.flow import Flow
from m365_emulator.entra.scopes import ScopeRequest
from m365_emulator.entra.session import Session

if TYPE_CHECKING:
    from m365_emulator.world.world import World


@dataclass(slots=True)
class Step:
    """What one page needs: the flow, the checked request, the browser's session."""

    world: World
    http: Request
    flow: Flow
    request: AuthorizationRequest
    scopes: ScopeRequest | None
    session: Session

    @property
    def is_silent(self) -> bool:
        """`prompt=none`: no page may be shown."""
        return self.request.prompt == "none"
