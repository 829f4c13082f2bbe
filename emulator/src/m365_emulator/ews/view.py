"""One mailbox as one request looks at it: ids, zones and texts the way the answer must show them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import islice
from urllib.parse import quote

from m365_emulator.ews.zone_definition import definition
from m365_emulator.world.mailbox import (
    Attachment,
    Body,
    CalendarEvent,
    Folder,
    Item,
    Mailbox,
    MeetingDetails,
    Message,
    Recipient,
    bodies,
    mime,
    recurrence,
)
from m365_emulator.world.mailbox.errors import OccurrenceGone
from m365_emulator.world.mailbox.timezones import (
    UnknownTimeZone,
    iana_name,
    to_local,
    windows_name,
    windows_zones,
)

# A walk along a series that never ends has to stop somewhere when its last occurrence is asked for.
_MAX_OCCURRENCES = 1500
# Conflicts are counted in the first month of an event only, so that an event of years does not expand every series.
_CONFLICT_WINDOW = timedelta(days=31)


class View:
    """What renderers of fields ask.

    Args:
        mailbox: The mailbox the shown items are in.
        base_url: Scheme and host of the request, for links.
        body_type: Best, HTML or Text.
        culture: Language of the request.
    """

    def __init__(
        self, mailbox: Mailbox, *, base_url: str, body_type: str = "Best", culture: str = "en-US"
    ) -> None:
        self.mailbox = mailbox
        self.base_url = base_url
        self.body_type = body_type
        self.culture = culture
        self.owner = Recipient(mailbox.display_name, mailbox.address)
        self.owner_name = mailbox.display_name

    # -- ids ---------------------------------------------------------------------------------------------------

    def item_id_attributes(self, item: Item) -> Mapping[str, str]:
        """Return the Id and ChangeKey of an item, or of an occurrence of a series."""
        occurrence = item.original_start if isinstance(item, CalendarEvent) else None
        return {
            "Id": self.mailbox.ids.ews_id(item.folder.number, item.entry, occurrence=occurrence),
            "ChangeKey": self.mailbox.change_key_of(item),
        }

    def item_id(self, item: Item) -> str:
        """Return ``t:ItemId``."""
        # Base64 throughout, so there is nothing to escape.
        attributes = self.item_id_attributes(item)
        return f'<t:ItemId Id="{attributes["Id"]}" ChangeKey="{attributes["ChangeKey"]}"/>'

    def folder_id(self, folder: Folder, name: str = "FolderId") -> str:
        """Return ``t:FolderId``, or the same under another name."""
        number, change_key = folder.number, self.mailbox.change_key_of(folder)
        return f'<t:{name} Id="{self.mailbox.ids.folder_ews_id(number)}" ChangeKey="{change_key}"/>'

    def parent_folder_id(self, folder: Folder) -> str:
        """Return ``t:ParentFolderId`` of something that lies in ``folder``."""
        return self.folder_id(folder, "ParentFolderId")

    def attachment_id(self, item: Item, part: Attachment) -> str:
        """Return the id of an attachment."""
        occurrence = item.original_start if isinstance(item, CalendarEvent) else None
        return self.mailbox.ids.ews_id(
            item.folder.number, item.entry, occurrence=occurrence, attachment=part.key
        )

    def web_link(self, item: Item) -> str:
        """Return the address of the item in the browser."""
        item_id = quote(self.item_id_attributes(item)["Id"], safe="")
        kind = "IPM.Appointment" if isinstance(item, CalendarEvent) else "ReadMessageItem"
        return f"{self.base_url}/owa/?ItemID={item_id}&exvsurl=1&viewmodel={kind}"

    def is_owner(self, address: str) -> bool:
        """Return whether an address is the mailbox owner's."""
        return address.casefold() == self.mailbox.address.casefold()

    # -- bodies ------------------------------------------------------------------------------------------------

    @staticmethod
    def body_text(body: Body, *, as_html: bool) -> str:
        """Return the body as HTML or as plain text, converted if it is stored as the other."""
        return bodies.to_html(body) if as_html else bodies.to_text(body)

    def mime(self, item: Item) -> bytes | None:
        """Return the item as an RFC 822 message, None for things that have no such form."""
        return mime.to_mime(item) if isinstance(item, Message) else None

    # -- meetings ----------------------------------------------------------------------------------------------

    def meeting_event(self, details: MeetingDetails) -> CalendarEvent | None:
        """Return the event a meeting message is about, the occurrence where it is about one."""
        found = self.mailbox.find_item(details.event_identity) if details.event_identity is not None else None
        if not isinstance(found, CalendarEvent):
            return None
        if details.original_start is not None and found.kind == "seriesMaster":
            try:
                return recurrence.occurrence_at(found, details.original_start)
            except OccurrenceGone:
                return found
        return found

    def occurrence(self, master: CalendarEvent, original: datetime) -> CalendarEvent:
        """Return one live occurrence; raises OccurrenceGone."""
        return recurrence.occurrence_at(master, original)

    def first_occurrence(self, master: CalendarEvent) -> CalendarEvent | None:
        """Return the first occurrence that was not deleted."""
        return _live(master, next(_left(master), None))

    def last_occurrence(self, master: CalendarEvent) -> CalendarEvent | None:
        """Return the last occurrence that was not deleted; None for a series without end."""
        if master.recurrence is None or master.recurrence.end == "noEnd":
            return None
        last = deque(_left(master), maxlen=1)
        return _live(master, last[0] if last else None)

    def conflicting_count(self, event: CalendarEvent) -> int:
        """Return how many other events of the same calendar overlap this one in time."""
        if event.show_as == "free":
            return 0
        count = 0
        end = min(event.end, event.start + _CONFLICT_WINDOW)
        for other in event.folder.items.values():
            if (
                not isinstance(other, CalendarEvent)
                or other.identity == event.identity
                or other.show_as == "free"
            ):
                continue
            if other.kind == "seriesMaster":
                count += len(recurrence.expand(other, event.start, end))
            elif other.start < end and other.end > event.start:
                count += 1
        return count

    # -- time zones --------------------------------------------------------------------------------------------

    def zone_element(self, name: str, zone: str) -> str:
        """Return a time zone definition under ``name``, nothing when the zone is not known."""
        if not zone:
            return ""
        try:
            return _zone_definition(name, windows_name(zone), self.mailbox.now().year)
        except UnknownTimeZone:
            return ""

    def zone_name(self, zone: str) -> str:
        """Return the name of a zone as Windows shows it."""
        try:
            return windows_zones()[windows_name(zone)].display_name if zone else ""
        except UnknownTimeZone:
            return zone

    def local(self, stamp: datetime, zone: str) -> datetime:
        """Return a time as the clock on the wall shows it, with its offset."""
        try:
            wall = to_local(stamp, zone or "UTC")
        except UnknownTimeZone:
            return stamp
        return wall


def _left(master: CalendarEvent) -> Iterator[datetime]:
    """Yield the original starts of a series that were not deleted, as far as it is walked."""
    starts = islice(recurrence.original_starts(master), _MAX_OCCURRENCES)
    return (original for original in starts if original not in master.cancelled)


def _live(master: CalendarEvent, original: datetime | None) -> CalendarEvent | None:
    try:
        return recurrence.occurrence_at(master, original) if original is not None else None
    except OccurrenceGone:
        return None


@lru_cache(maxsize=512)
def _zone_definition(name: str, windows_id: str, year: int) -> str:
    shown = windows_zones()[windows_id]
    return definition(windows_id, shown.display_name, iana_name(windows_id), year, tag=name)
