"""Steering the emulator: the HTTP control API and the plain pages on `/`.

Owns no facts: everything is read from and written to the world. Faults never hit
these addresses and the request log leaves them out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.routing import BaseRoute

from m365_emulator.control import api, web

if TYPE_CHECKING:
    from m365_emulator.world.world import World


def routes(world: World) -> list[BaseRoute]:
    """Return the control API and the web pages."""
    return [*api.routes(world), *web.routes(world)]
