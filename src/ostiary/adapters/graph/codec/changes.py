"""Graph's pages of changes, in the shapes of following."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from ostiary.adapters.graph.codec.json_shape import (
    JSONObject,
    as_object,
    count,
    flag,
    moment,
    optional_text,
    parse_moment,
    required_text,
    text,
)
from ostiary.core.kernel.errors import ProviderContractBroken
from ostiary.core.mail.model import WellKnownFolder
from ostiary.core.sync.model import FolderSeen, Item, ItemKind

MESSAGE_FIELDS: Final = (
    "id,changeKey,parentFolderId,internetMessageId,receivedDateTime,lastModifiedDateTime,isRead,isDraft"
)
EVENT_FIELDS: Final = "id,changeKey,type,seriesMasterId,iCalUId,start,end,lastModifiedDateTime"
FOLDER_FIELDS: Final = "id,totalItemCount"

_RANKS: Final = {
    WellKnownFolder.INBOX: 0,
    WellKnownFolder.SENT: 10,
    WellKnownFolder.DRAFTS: 20,
    WellKnownFolder.JUNK: 80,
    # Last: what is deleted while everything is read then shows up where it went.
    WellKnownFolder.DELETED: 90,
}
_KINDS: Final = {
    "singleinstance": ItemKind.SINGLE,
    "seriesmaster": ItemKind.SERIES,
    "occurrence": ItemKind.OCCURRENCE,
    "exception": ItemKind.OCCURRENCE,
}


def is_removed(entity: JSONObject) -> bool:
    """Whether an entry of a page says that the item left.

    Source: graph.md §6; for mail also when it only moved to another folder.
    """
    return "@removed" in entity


def version(entity: JSONObject) -> str | None:
    """Return the change key, from the property or from the ETag; None where a sparse entry has neither."""
    key = optional_text(entity, "changeKey")
    if key:
        return key
    tag = optional_text(entity, "@odata.etag")
    if tag and tag.startswith('W/"') and tag.endswith('"'):
        return tag[3:-1] or None
    return None


def message(entity: JSONObject, *, folder_id: str = "") -> Item:
    """Return a message; ``folder_id`` where the entry does not say where it is."""
    key = version(entity)
    if key is None:
        raise ProviderContractBroken("Microsoft gave an answer we do not understand (changeKey).")
    return Item(
        id=required_text(entity, "id"),
        version=key,
        folder_id=text(entity, "parentFolderId") or folder_id,
        kind=ItemKind.MESSAGE,
        changed_at=moment(entity, "lastModifiedDateTime"),
        match_key=optional_text(entity, "internetMessageId") or None,
        received_at=moment(entity, "receivedDateTime"),
        is_read=flag(entity, "isRead"),
        is_draft=flag(entity, "isDraft"),
    )


def event(entity: JSONObject, *, folder_id: str = "") -> Item:
    """Return a calendar event. Occurrences come without a version: they only point at their series."""
    kind = _KINDS.get(text(entity, "type").lower(), ItemKind.SINGLE)
    key = version(entity)
    if key is None and kind is not ItemKind.OCCURRENCE:
        raise ProviderContractBroken("Microsoft gave an answer we do not understand (changeKey).")
    place = entity.get("calendar")
    return Item(
        id=required_text(entity, "id"),
        version=key or "",
        folder_id=required_text(as_object(place, "calendar"), "id") if place is not None else folder_id,
        kind=kind,
        changed_at=moment(entity, "lastModifiedDateTime"),
        series_id=optional_text(entity, "seriesMasterId") or None,
        ical_uid=optional_text(entity, "iCalUId") or None,
        starts_at=_wall_time(entity, "start"),
        ends_at=_wall_time(entity, "end"),
    )


def folder(entity: JSONObject, well_known: WellKnownFolder | None) -> FolderSeen:
    """Return a mail folder."""
    return FolderSeen(
        id=required_text(entity, "id"),
        item_count=count(entity, "totalItemCount"),
        rank=50 if well_known is None else _RANKS.get(well_known, 50),
    )


def calendar(entity: JSONObject) -> FolderSeen:
    """Return a calendar; Graph does not say how much is in it."""
    return FolderSeen(id=required_text(entity, "id"), item_count=0)


def _wall_time(entity: JSONObject, name: str) -> datetime | None:
    value = entity.get(name)
    if value is None:
        return None
    return parse_moment(required_text(as_object(value, name), "dateTime"))
