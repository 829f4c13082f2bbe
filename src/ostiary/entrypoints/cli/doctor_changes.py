"""The part of ``ostiary doctor`` about changes: are mailboxes read in time, and do webhooks arrive."""

from __future__ import annotations

from typing import Final

from ostiary.bootstrap import Services
from ostiary.core.sync.service import OVERDUE_AFTER
from ostiary.core.webhooks.model import EndpointStatus
from ostiary.entrypoints.cli.finding import Finding

_LOOKED_AT: Final = 1_000


async def examine_changes(services: Services) -> list[Finding]:
    """Look at the followers of mailboxes, at mailboxes that rest, and at the vendor's endpoints."""
    return [await _followers(services), await _resting(services), await _webhooks(services)]


async def _followers(services: Services) -> Finding:
    overdue = await services.sync.overdue()
    if overdue:
        minutes = round(OVERDUE_AFTER.total_seconds() / 60)
        words = f"{overdue} mailboxes and calendars have waited to be read for more than {minutes} minutes"
        return Finding("followers", False, words, "Run a worker, or more of them: ostiary worker")
    return Finding("followers", True, "every followed mailbox and calendar is read in time")


async def _resting(services: Services) -> Finding:
    loads = await services.governor.loads(limit=_LOOKED_AT)
    pauses = [load.blocked_seconds for load in loads if load.blocked_seconds > 0]
    if not pauses:
        return Finding("resting", True, "Microsoft asks us to leave no mailbox alone")
    words = f"{len(pauses)} mailboxes rest, as Microsoft asked, for up to {max(pauses):.0f} s"
    return Finding("resting", True, words, "They catch up by themselves; /operator/traffic shows them.")


async def _webhooks(services: Services) -> Finding:
    endpoints = await services.webhooks.endpoints.list_all()
    now = services.clock.now()
    if not endpoints:
        return Finding("webhooks", True, "no endpoint")
    off = [each for each in endpoints if each.status is EndpointStatus.DISABLED and each.has_trouble(now)]
    failing = [each for each in endpoints if each not in off and each.has_trouble(now)]
    if off:
        words = f"switched off by itself: {', '.join(each.id for each in off)}"
        return Finding("webhooks", False, words, f"Mend it, then run: ostiary webhooks verify {off[0].id}")
    if failing:
        words = f"failing for more than a day: {', '.join(each.id for each in failing)}"
        return Finding("webhooks", False, words, f"See why: ostiary webhooks deliveries {failing[0].id}")
    short = sum(each.failing_since is not None for each in endpoints)
    return Finding("webhooks", True, f"{len(endpoints)} endpoints, {short} with failures within a day")
