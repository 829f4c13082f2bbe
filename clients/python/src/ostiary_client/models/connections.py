"""Connections: how they are, how far they have been read, what they can do."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from ostiary_client.models.customers import Method

ConnectionStatus = Literal[
    "not_connected",
    "connecting",
    "unconfirmed",
    "connected",
    "waiting_for_approval",
    "needs_sign_in",
    "failing",
    "paused",
    "disconnected",
]
Source = Literal["mail", "calendar"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """Somebody's connected mailbox, calendar or both."""

    id: str
    """Survives every reconnect."""
    reference: str
    organization_id: str
    member_id: str
    status: ConnectionStatus
    reason: str | None
    """What is wrong, when something is: a reason id."""
    method: Method
    mail: bool
    calendar: bool
    left_out_reason: str | None
    """Why email or calendar is not connected although it was asked for."""
    address: str
    """Primary address of the mailbox; display only."""
    display_name: str
    tenant_id: str
    """With ``object_id``, the one key of a Microsoft identity."""
    object_id: str
    created_at: datetime
    changed_at: datetime
    connected_at: datetime | None
    last_success_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What a disconnect did."""

    connection: Connection
    tokens_destroyed: bool
    """False when there was nothing left to destroy."""
    at: datetime
    backups_gone_by: datetime
    subscriptions_left: int = 0
    """What at Microsoft could not be ended in time: it tells of changes, which are thrown away, for up to a week."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far one source has been read."""

    source: Source
    method: Method
    stage: Literal["initial", "live"]
    """``initial`` while the first reading runs; ``live`` once every change is told."""
    folders_done: int
    folders_total: int
    items_counted: int
    items_total: int
    started_at: datetime
    done_at: datetime | None
    covered_until: datetime | None
    """Whatever happened before is in the feed."""
    backfill_since: datetime | None
    next_at: datetime | None
    stalled_reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncStatus:
    """How far a connection has been read."""

    sources: tuple[Progress, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """A stretch of time that is covered."""

    source: Source
    start: datetime
    end: datetime
    how: Literal["initial", "changes", "reconciled"]
    reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """A stretch of time about which nothing can be said (yet)."""

    source: Source
    start: datetime
    end: datetime
    reason: Literal["not_connected", "first_reading", "not_read_yet", "stalled"]
    detail: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """Whether anything can be missing from the feed."""

    start: datetime
    end: datetime
    is_complete: bool
    stretches: tuple[Stretch, ...]
    gaps: tuple[Gap, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MailCapabilities:
    """Where Microsoft's two ways differ for mail."""

    stable_message_ids: bool
    html_is_sanitized_by_provider: bool
    search_all_folders: bool
    search_order: str
    most_search_results: int | None
    largest_attachment_bytes: int
    attachment_limit_is_certain: bool
    scheduled_send: bool
    sent_message_id: bool
    mark_read_without_receipt: bool
    if_match_on_delete: bool
    many_messages_in_one_call: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CalendarCapabilities:
    """Where Microsoft's two ways differ for calendars."""

    stable_event_ids: bool
    can_stay_silent: bool
    online_meetings: bool
    same_uid_for_occurrences: bool
    if_match_on_delete: bool
    own_zone_has_a_name: bool
    split_keeps_attachments: bool
    longest_window_days: int
    longest_free_busy_days: int
    most_free_busy_people: int
    most_attendees: int
    most_answered_meetings: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What the access method of a connection can and cannot do."""

    method: Method
    mail: MailCapabilities
    calendar: CalendarCapabilities
