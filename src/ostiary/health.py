"""Whether this process can work now, for load balancers and for people (SR-107, SR-110)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import structlog

CHECK_SECONDS: Final = 3.0
"""A part that takes longer to say that it is well is not well."""

log = structlog.get_logger("ostiary.health")


class Health:
    """Asks each part that the service cannot do without.

    ``stopping`` is set before a process stops accepting, so that a load balancer sends nothing more.
    """

    def __init__(self, checks: Mapping[str, Callable[[], Awaitable[None]]]) -> None:
        self._checks = dict(checks)
        self.stopping = False

    async def readiness(self) -> dict[str, bool]:
        """Return each part's name with whether it works, asking all at once."""
        results = await asyncio.gather(*(self._passes(name) for name in self._checks))
        return {"accepting": not self.stopping, **dict(zip(self._checks, results, strict=True))}

    async def _passes(self, name: str) -> bool:
        try:
            async with asyncio.timeout(CHECK_SECONDS):
                await self._checks[name]()
        except Exception:
            # Whatever the part raises, the answer is the same: it cannot be used now.
            log.warning("health check failed", check=name, exc_info=True)
            return False
        return True
