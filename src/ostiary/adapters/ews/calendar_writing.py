"""Changing calendars over EWS."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from ostiary.adapters.ews.calendar_reading import EWSEventReading, calendar_folder
from ostiary.adapters.ews.codec.event_xml import draft_xml, updates_xml
from ostiary.adapters.ews.codec.xml_shape import required_id
from ostiary.adapters.ews.operations import (
    answer_meeting,
    create_calendar_item,
    delete_calendar_item,
    update_calendar_item,
)
from ostiary.adapters.ews.response_code import only_message
from ostiary.core.calendar.drafts import Answer, EventChange, EventDraft
from ostiary.core.calendar.errors import NotOverThisMethod
from ostiary.core.calendar.model import CalendarEvent
from ostiary.core.connections.model import MailboxAccess
from ostiary.core.kernel.errors import TemporarilyUnavailable

_NO_MEETING_LINKS: Final = (
    "Over EWS Microsoft makes no online meetings; put a link of your own into the body."
)


class EWSEventWriting(EWSEventReading):
    """``EventWriter`` over EWS."""

    async def create_event(
        self,
        mailbox: MailboxAccess,
        draft: EventDraft,
        *,
        calendar_id: str | None,
        stamp: str,
        notify: bool,
    ) -> CalendarEvent:
        """Create an event, once for each stamp: Exchange has no key for that, so it is looked for first.

        Source: EWS CreateItem operation (calendar item).
        """
        if draft.is_online_meeting:
            raise NotOverThisMethod(_NO_MEETING_LINKS, field="is_online_meeting")
        item = draft_xml(draft, stamp)
        known = await self.find_created(mailbox, stamp, calendar_id=calendar_id)
        if known is not None:
            return known
        body = create_calendar_item.request(calendar_folder(calendar_id), item, notify=notify)
        try:
            response = await self._session.call(mailbox, create_calendar_item.OPERATION, body)
        except TemporarilyUnavailable:
            known = await self.find_created(mailbox, stamp, calendar_id=calendar_id)
            if known is None:
                raise
            return known
        made = create_calendar_item.created_item(only_message(response))
        if made is None:
            found = await self.find_created(mailbox, stamp, calendar_id=calendar_id)
            if found is None:
                raise TemporarilyUnavailable("Microsoft isn’t answering properly.", reason="microsoft_down")
            return found
        event = await self.get_event(mailbox, required_id(made, "ItemId"))
        return replace(event, calendar_id=calendar_id)

    async def update_event(
        self,
        mailbox: MailboxAccess,
        event: CalendarEvent,
        change: EventChange,
        *,
        version: str | None,
        notify: bool,
    ) -> CalendarEvent:
        """Change an event; one call, and one to read it as it is now.

        Source: EWS UpdateItem operation (calendar item).
        """
        if change.is_online_meeting is True and not event.is_online_meeting:
            raise NotOverThisMethod(_NO_MEETING_LINKS, field="is_online_meeting")
        updates = updates_xml(change)
        if updates:
            body = update_calendar_item.request(
                event.id, updates, version=version, notify=notify and event.is_organizer
            )
            response = await self._session.call(mailbox, update_calendar_item.OPERATION, body)
            only_message(response)
        changed = await self.get_event(mailbox, event.id)
        return replace(changed, calendar_id=event.calendar_id)

    async def delete_event(
        self, mailbox: MailboxAccess, event: CalendarEvent, *, version: str | None, notify: bool
    ) -> None:
        """Delete an event. EWS deletes whatever version is there; ours was compared a moment ago.

        Source: EWS DeleteItem operation.
        """
        body = delete_calendar_item.request(event.id, notify=notify and event.is_organizer)
        only_message(await self._session.call(mailbox, delete_calendar_item.OPERATION, body))

    async def cancel_event(self, mailbox: MailboxAccess, event: CalendarEvent, *, comment: str) -> None:
        """Cancel a meeting.

        Source: EWS CancelCalendarItem element.
        """
        body = answer_meeting.cancel_request(event.id, event.version, comment=comment)
        only_message(await self._session.call(mailbox, answer_meeting.OPERATION, body))

    async def respond(
        self, mailbox: MailboxAccess, event: CalendarEvent, answer: Answer, *, comment: str, send: bool
    ) -> None:
        """Answer a meeting.

        Source: EWS AcceptItem, TentativelyAcceptItem, DeclineItem elements.
        """
        body = answer_meeting.answer_request(event.id, event.version, answer, comment=comment, send=send)
        only_message(await self._session.call(mailbox, answer_meeting.OPERATION, body))
