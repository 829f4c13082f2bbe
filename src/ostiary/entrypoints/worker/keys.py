"""The daily look at how much and how long each key-encryption key has wrapped."""

from __future__ import annotations

import structlog

from ostiary.bootstrap import Services
from ostiary.core.vault.limits import KeyRecord

log = structlog.get_logger("ostiary.keys")


async def rotate_due_keys(services: Services) -> tuple[KeyRecord, ...]:
    """Rotate the keys that are due, and say what is over its limit. Job ``keys.rotate_due``; returns those.

    Raises:
        Misconfigured: The key service makes no keys for us; the alarm was given.
    """
    now = services.clock.now()
    worn = await services.key_rotation.worn()
    oldest = max((now - key.first_used_at for key in worn), default=None)
    services.metrics.key_age_days.set(0 if oldest is None else oldest.days)
    over = tuple(key for key in worn if key.is_over(now))
    for key in over:
        log.error(
            "a key is used beyond its limit; rotate it",
            organization_id=key.organization_id,
            key_id=key.key_id,
            days=(now - key.first_used_at).days,
            wraps=key.wraps,
        )
    rotated = await services.key_rotation.rotate_due()
    if rotated:
        log.info("keys were rotated because they were due", organizations=rotated)
    return over
