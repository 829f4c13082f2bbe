"""Checkpoints of the audit trail, and a copy of each in the log: the log is what usually leaves the machine."""

from __future__ import annotations

from collections.abc import Mapping

import structlog

from ostiary.bootstrap import Services

log = structlog.get_logger("ostiary.audit")


async def seal_audit(services: Services, given: Mapping[str, str]) -> int:
    """Sign how far each chain has come, and log each checkpoint. Job ``audit.seal``."""
    del given
    made = await services.audit.keeping.seal()
    for checkpoint in made:
        log.info(
            "audit checkpoint",
            number=checkpoint.number,
            chain=checkpoint.chain,
            position=checkpoint.position,
            digest=checkpoint.hash.hex(),
        )
    return len(made)
