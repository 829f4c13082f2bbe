"""Which use case each job is. A job's name and the names of its arguments are a contract with queued rows."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final

from ostiary.bootstrap import Services
from ostiary.core.connections.erase import ERASE_JOB
from ostiary.core.connections.health import CHECK_JOB
from ostiary.core.connections.idle import RETIRE_JOB
from ostiary.core.connections.leaving import LEAVE_JOB
from ostiary.core.feed.service import TRIM_JOB
from ostiary.core.kernel.access_method import AccessMethod
from ostiary.core.organizations.service import LICENCES_GIVEN_JOB, LICENCES_TAKEN_JOB
from ostiary.core.sync.keeping import AUDIT_JOB, KEEP_JOB
from ostiary.core.sync.service import PURGE_JOB, SEED_JOB
from ostiary.core.webhooks.deliveries import TRIM_JOB as WEBHOOK_TRIM_JOB
from ostiary.entrypoints.worker.audit import seal_audit
from ostiary.entrypoints.worker.credentials import watch_credentials
from ostiary.entrypoints.worker.keys import rotate_due_keys
from ostiary.entrypoints.worker.licences import (
    pause_without_licence,
    release_unlicensed,
    resume_with_licence,
)

Arguments = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Job:
    """A named piece of background work."""

    name: str
    run: Callable[[Services, Arguments], Awaitable[object]]
    cron: str | None = None
    """When it also runs by itself: minute, hour, day, month, weekday, in UTC."""


JOBS: Final[tuple[Job, ...]] = (
    Job("consent.verify", lambda services, given: services.consent.watch.verify(given["attempt_id"])),
    Job("consent.check_due", lambda services, _: services.consent.watch.check_due(), "*/5 * * * *"),
    Job(
        "approvals.resolve",
        lambda services, given: services.approvals.resolve(
            organization_id=given["organization_id"],
            method=AccessMethod(given["method"]),
            member_id=given.get("member_id"),
        ),
    ),
    Job("approvals.decline", lambda services, given: services.approvals.decline(link_id=given["link_id"])),
    Job("approvals.expire", lambda services, _: services.approvals.expire(), "7 * * * *"),
    Job(
        "approvals.started",
        lambda services, given: services.approvals.progress.started(given["organization_id"]),
    ),
    Job(
        "approvals.announce",
        lambda services, given: services.approvals.progress.announce(given["attempt_id"]),
    ),
    Job(
        "approvals.tell_unconfirmed",
        lambda services, given: services.approvals.progress.tell_unconfirmed(given["attempt_id"]),
    ),
    Job(
        "approvals.remind",
        lambda services, given: services.approvals.progress.remind(
            given["request_id"], sent_at=given["sent_at"], number=int(given["number"])
        ),
    ),
    Job(
        "approvals.link_expires",
        lambda services, given: services.approvals.progress.warn_of_expiry(
            given["request_id"], link_id=given["link_id"]
        ),
    ),
    Job(
        "approvals.undelivered",
        lambda services, given: services.approvals.progress.undelivered(
            given["request_id"], notice_id=given["notice_id"]
        ),
    ),
    Job("approvals.look", lambda services, _: services.approvals.progress.look(), "37 * * * *"),
    Job(
        "consent.unfinished",
        lambda services, given: services.consent.watch.note_unfinished(given["attempt_id"]),
    ),
    Job("notices.send", lambda services, given: services.notices.send(given["notice_id"])),
    Job("notices.sweep", lambda services, _: services.notices.sweep(), "47 * * * *"),
    Job(
        "connections.tell_sign_in",
        lambda services, _: services.connection_notices.tell_sign_in(),
        "*/5 * * * *",
    ),
    Job("digest.weekly", lambda services, _: services.weekly_digest.send(), "0 7 * * 1"),
    Job(CHECK_JOB, lambda services, _: services.connection_health.check_due(), "* * * * *"),
    Job("connections.note_incidents", lambda services, _: services.incidents.note(), "* * * * *"),
    Job("status.look", lambda services, _: services.status.look(), "*/5 * * * *"),
    Job("audit.seal", seal_audit, "*/5 * * * *"),
    Job("audit.trim", lambda services, _: services.audit.keeping.trim(), "41 3 * * *"),
    Job("trust.forget_expired", lambda services, _: services.trust.forget_expired(), "*/15 * * * *"),
    Job("rate_limits.forget_full", lambda services, _: services.rate_limits.forget_full(), "*/15 * * * *"),
    Job("sign_in.forget_expired", lambda services, _: services.signin.forget_expired(), "*/15 * * * *"),
    Job(
        "connections.expire_unconfirmed",
        lambda services, _: services.connections.confirmation.expire_unconfirmed(),
        "* * * * *",
    ),
    Job("reads.forget", lambda services, _: services.bulk_reads.forget(), "29 4 * * *"),
    Job(RETIRE_JOB, lambda services, _: services.idle_grants.retire(), "19 4 * * *"),
    Job("connections.refresh_idle", lambda services, _: services.connections.refresh_idle(), "23 * * * *"),
    Job(
        "connections.recheck_waiting",
        lambda services, given: services.connections.recheck_waiting(given["organization_id"]),
    ),
    Job("credentials.watch", lambda services, _: watch_credentials(services), "41 6 * * *"),
    Job(LEAVE_JOB, lambda services, given: services.subscriptions.end(given["connection_id"])),
    Job(KEEP_JOB, lambda services, _: services.subscriptions.keep(), "* * * * *"),
    Job(AUDIT_JOB, lambda services, _: services.subscriptions.audit(), "11 * * * *"),
    Job(SEED_JOB, lambda services, _: services.sync.seed(), "*/10 * * * *"),
    Job(PURGE_JOB, lambda services, _: services.sync.purge(), "19 * * * *"),
    Job(TRIM_JOB, lambda services, _: services.feed.trim(), "29 * * * *"),
    Job(WEBHOOK_TRIM_JOB, lambda services, _: services.webhooks.deliveries.trim(), "37 2 * * *"),
    Job("governor.forget", lambda services, _: services.governor.forget(), "11 3 * * *"),
    Job("keys.rotate_due", lambda services, _: rotate_due_keys(services), "11 5 * * *"),
    Job("keys.rewrap", lambda services, _: services.key_rotation.rewrap(), "*/10 * * * *"),
    Job(ERASE_JOB, lambda services, given: services.erasure.finish(given["organization_id"])),
    Job("retention.enforce", lambda services, _: services.retention.enforce(), "19 2 * * *"),
    Job("organizations.erase_unfinished", lambda services, _: services.erasure.sweep(), "13 * * * *"),
    Job(
        LICENCES_GIVEN_JOB,
        lambda services, given: resume_with_licence(
            services, organization_id=given["organization_id"], member_id=given["member_id"]
        ),
    ),
    Job("licences.release", lambda services, _: release_unlicensed(services), "53 * * * *"),
    Job(
        LICENCES_TAKEN_JOB,
        lambda services, given: pause_without_licence(
            services, organization_id=given["organization_id"], member_id=given["member_id"]
        ),
    ),
)
