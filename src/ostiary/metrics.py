"""Counters for Prometheus. They hold no names, addresses or ids: only classes of things (SR-110)."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Metrics:
    """All metrics of one process, on a registry of their own."""

    content_type = CONTENT_TYPE_LATEST

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.key_age_days = Gauge(
            "ostiary_key_age_days",
            "Days since the oldest current key-encryption key was first used; looked at daily.",
            registry=self._registry,
        )
        self.bulk_read_alarms = Counter(
            "ostiary_bulk_read_alarms_total",
            "Hours in which a key or the instance read mailboxes unusually often, or to its ceiling.",
            ("subject", "level"),
            registry=self._registry,
        )
        self.requests = Counter(
            "ostiary_http_requests_total",
            "HTTP requests answered, by route template and status.",
            ("method", "route", "status"),
            registry=self._registry,
        )
        self.request_seconds = Histogram(
            "ostiary_http_request_seconds",
            "Time from request to answer.",
            ("method", "route"),
            buckets=_SECONDS,
            registry=self._registry,
        )
        self.microsoft_requests = Counter(
            "ostiary_microsoft_requests_total",
            "Requests to Microsoft, by service and status class (`error` when there was no answer).",
            ("service", "status"),
            registry=self._registry,
        )
        self.microsoft_seconds = Histogram(
            "ostiary_microsoft_request_seconds",
            "Time from request to the end of Microsoft's answer headers.",
            ("service",),
            buckets=_SECONDS,
            registry=self._registry,
        )
        self.turn_seconds = Histogram(
            "ostiary_mailbox_turn_seconds",
            "Time a call waited for its turn at its mailbox; calls that did not wait are not counted.",
            ("method", "urgency"),
            buckets=_SECONDS,
            registry=self._registry,
        )
        self.turns_refused = Counter(
            "ostiary_mailbox_turns_refused_total",
            "Calls sent back because their mailbox's turn would have come too late.",
            ("method", "urgency"),
            registry=self._registry,
        )
        self.pauses = Counter(
            "ostiary_mailbox_pauses_total",
            "Times that Microsoft asked to leave a mailbox alone for a while.",
            ("method",),
            registry=self._registry,
        )
        self.webhook_attempts = Counter(
            "ostiary_webhook_attempts_total",
            "Attempts to deliver a webhook, by outcome (`delivered`, `failed`: tried again later, `dead`: given up).",
            ("outcome",),
            registry=self._registry,
        )
        self.webhook_seconds = Histogram(
            "ostiary_webhook_attempt_seconds",
            "Time an attempt took.",
            buckets=_SECONDS,
            registry=self._registry,
        )
        self.webhook_wait_seconds = Histogram(
            "ostiary_webhook_wait_seconds",
            "Time from an event to the first attempt to deliver it.",
            buckets=_SECONDS,
            registry=self._registry,
        )
        self.jobs = Counter(
            "ostiary_jobs_total",
            "Jobs run by this worker, by name and outcome (`done`, `retried`, `failed`).",
            ("name", "outcome"),
            registry=self._registry,
        )
        self.job_seconds = Histogram(
            "ostiary_job_seconds",
            "Time a job took.",
            ("name",),
            buckets=_SECONDS,
            registry=self._registry,
        )
        self.connections = Gauge(
            "ostiary_connections",
            "Connections by status, as stored.",
            ("status",),
            registry=self._registry,
        )

        self.notifications = Counter(
            "ostiary_notifications_total",
            "Notifications of Microsoft Graph, by what became of them (`kept`, `dropped`, `unknown`,"
            " `crowded`: too many of one tenant, `failed`).",
            ("outcome",),
            registry=self._registry,
        )
        self.downloads_cut_short = Counter(
            "ostiary_downloads_cut_short_total",
            "Downloads that were broken off because Microsoft's answer ended before its end or was too large.",
            registry=self._registry,
        )
        self.credential_days = Gauge(
            "ostiary_credential_days_left",
            "Whole days until the app's certificate ends, by registration; negative once it has.",
            ("registration",),
            registry=self._registry,
        )

    def render(self) -> bytes:
        """Return the text that Prometheus reads."""
        return generate_latest(self._registry)
