"""Loop detection: a client that asks for the same token again and again is told to stop.

Microsoft's thresholds are not published, so a tenant detects loops only once its policy names a number.

Source: learn.microsoft.com/entra/identity-platform/reference-error-codes (AADSTS50196)
"""

from __future__ import annotations

from collections import deque
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from m365_emulator.entra.errors import EntraError

if TYPE_CHECKING:
    from m365_emulator.world.tenants import User
    from m365_emulator.world.world import World

WINDOW = timedelta(minutes=5)
_Seen = dict[tuple[str, str, str], deque[datetime]]


def check_loop(world: World, user: User, *, app_id: str, audience: str) -> None:
    """Count a request for a person's token; raises 50196 when there were as many as the tenant's policy allows.

    Requests that were refused count too: a client that goes on at once stays refused.
    """
    most = user.tenant.policies.loop_after_requests
    if most is None:
        return
    now = world.clock.now()
    found: _Seen = world.state.setdefault("entra.loops", {})
    seen = found.setdefault((app_id, user.oid, audience), deque())
    while seen and seen[0] <= now - WINDOW:
        seen.popleft()
    seen.append(now)
    if len(seen) > most:
        raise EntraError(50196)
