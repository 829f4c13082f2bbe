"""The daily look at how long the app's own credentials still work."""

from __future__ import annotations

import asyncio

import structlog

from ostiary.bootstrap import Services, credential_facts
from ostiary.core.signin.credentials import ALARM_DAYS, CredentialFact, newest

log = structlog.get_logger("ostiary.credentials")


async def watch_credentials(services: Services) -> tuple[CredentialFact, ...]:
    """Say in log and metrics when a certificate is about to end. Job ``credentials.watch``; returns the pressing ones.

    Read from the files each time, so that a renewed certificate is seen without a restart.
    """
    now = services.clock.now()
    facts = newest(await asyncio.to_thread(credential_facts, services.settings))
    pressing: list[CredentialFact] = []
    for fact in facts:
        left = fact.days_left(now)
        if left is None:
            log.warning(
                "a client secret is in use; a certificate is safer", registration=fact.registration_id
            )
            continue
        services.metrics.credential_days.labels(fact.registration_id).set(left)
        alarm = fact.alarm(now)
        if alarm is not None:
            pressing.append(fact)
            say = log.error if alarm <= min(ALARM_DAYS) else log.warning
            say("the app's certificate ends soon", registration=fact.registration_id, days_left=left)
    return tuple(pressing)
