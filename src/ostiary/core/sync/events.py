"""What the feed says of a change in a mailbox: ids, versions and places. Pure."""

from __future__ import annotations

from datetime import datetime

from ostiary.core.feed.model import FeedEvent, FeedEventType, FeedValue, connection_event
from ostiary.core.sync.model import Claim, Item, ItemKind, KnownItem, Source


def created(claim: Claim, item: Item, *, now: datetime, backfill: bool) -> FeedEvent:
    """Return the event of an item that was not known."""
    kind = FeedEventType.MESSAGE_CREATED if claim.source is Source.MAIL else FeedEventType.EVENT_CREATED
    return _event(claim, kind, item, now=now, data=_facts(item) | {"backfill": backfill})


def updated(claim: Claim, item: Item, *, now: datetime) -> FeedEvent:
    """Return the event of an item with another version."""
    kind = FeedEventType.MESSAGE_UPDATED if claim.source is Source.MAIL else FeedEventType.EVENT_UPDATED
    return _event(claim, kind, item, now=now, data=_facts(item) | {"backfill": False})


def moved(claim: Claim, was: KnownItem, item: Item, *, now: datetime) -> FeedEvent:
    """Return the event of an item that is in another folder. Calendars do not tell: there it is an update."""
    if claim.source is Source.CALENDAR:
        return updated(claim, item, now=now)
    places: dict[str, FeedValue] = {
        "previous_folder_id": was.folder_id,
        "previous_message_id": was.id,
        "backfill": False,
    }
    return _event(
        claim,
        FeedEventType.MESSAGE_MOVED,
        item,
        # An item that goes to and fro may have the version it had before.
        version=f"{item.version}/{was.folder_id}/{item.folder_id}",
        now=now,
        data=_facts(item) | places,
    )


def deleted(claim: Claim, item: KnownItem, *, now: datetime) -> FeedEvent:
    """Return the event of an item that is gone."""
    is_mail = claim.source is Source.MAIL
    return connection_event(
        connection_id=claim.connection_id,
        organization_id=claim.organization_id,
        kind=FeedEventType.MESSAGE_DELETED if is_mail else FeedEventType.EVENT_DELETED,
        subject=item.id,
        version=item.version,
        occurred_at=now,
        data={
            "message_id" if is_mail else "event_id": item.id,
            "version": item.version,
            "folder_id" if is_mail else "calendar_id": item.folder_id,
        },
    )


def synced(claim: Claim, *, started_at: datetime) -> FeedEvent:
    """Return the event that says that the first reading of a source is done."""
    return connection_event(
        connection_id=claim.connection_id,
        organization_id=claim.organization_id,
        kind=FeedEventType.CONNECTION_SYNCED,
        subject=f"{claim.connection_id}/{claim.source.value}",
        version=started_at.isoformat(),
        occurred_at=started_at,
        data={"source": claim.source.value, "method": claim.method.value},
    )


def _event(
    claim: Claim,
    kind: FeedEventType,
    item: Item,
    *,
    now: datetime,
    data: dict[str, FeedValue],
    version: str | None = None,
) -> FeedEvent:
    return connection_event(
        connection_id=claim.connection_id,
        organization_id=claim.organization_id,
        kind=kind,
        subject=item.id,
        version=item.version if version is None else version,
        occurred_at=item.changed_at or now,
        data=data,
    )


def _facts(item: Item) -> dict[str, FeedValue]:
    if item.kind is ItemKind.MESSAGE:
        return {
            "message_id": item.id,
            "version": item.version,
            "folder_id": item.folder_id,
            "internet_message_id": item.match_key,
            "received_at": _at(item.received_at),
            "is_read": item.is_read,
            "is_draft": item.is_draft,
        }
    return {
        "event_id": item.id,
        "version": item.version,
        "calendar_id": item.folder_id,
        "kind": item.kind.value,
        "series_id": item.series_id,
        "ical_uid": item.ical_uid,
        "starts_at": _at(item.starts_at),
        "ends_at": _at(item.ends_at),
    }


def _at(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat().replace("+00:00", "Z")
