"""Changing calendars over Microsoft Graph."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from ostiary.adapters.graph.calendar_reading import GraphEventReading, calendar_path, event_path
from ostiary.adapters.graph.codec import calendar as codec
from ostiary.adapters.graph.codec.event_json import change_json, draft_json
from ostiary.core.calendar.drafts import UNCHANGED, Answer, EventChange, EventDraft, invitees_of
from ostiary.core.calendar.errors import NotOverThisMethod
from ostiary.core.calendar.model import CalendarEvent
from ostiary.core.connections.model import MailboxAccess
from ostiary.core.kernel.errors import Conflict, NotFound, TemporarilyUnavailable, VersionChanged

_ANSWERS: Final = {
    Answer.ACCEPT: "accept",
    Answer.TENTATIVE: "tentativelyAccept",
    Answer.DECLINE: "decline",
}


class GraphEventWriting(GraphEventReading):
    """``EventWriter`` over Graph. Attendees are always told: Graph has no way not to (graph.md §5)."""

    async def create_event(
        self,
        mailbox: MailboxAccess,
        draft: EventDraft,
        *,
        calendar_id: str | None,
        stamp: str,
        notify: bool,
    ) -> CalendarEvent:
        """Create an event, once for each stamp.

        Source: Graph, create event; ``transactionId`` makes a repeated creation return the first event, or refuses it
        with 409 (graph.md §5).
        """
        _refuse_silence(notify, bool(draft.attendees))
        body = draft_json(draft, stamp)
        try:
            entity = await self._client.change(mailbox, "POST", f"{calendar_path(calendar_id)}/events", body)
        except (Conflict, TemporarilyUnavailable):
            # The event may be there although the answer is lost, or since an earlier try.
            known = await self.find_created(mailbox, stamp, calendar_id=calendar_id)
            if known is None:
                raise
            return known
        made = codec.event(entity, calendar_id=calendar_id)
        return await self._with_link(mailbox, made, draft.is_online_meeting)

    async def update_event(
        self,
        mailbox: MailboxAccess,
        event: CalendarEvent,
        change: EventChange,
        *,
        version: str | None,
        notify: bool,
    ) -> CalendarEvent:
        """Change an event.

        Source: Graph, update event.
        """
        touches_people = event.is_organizer and bool(
            invitees_of(event) or (change.attendees is not UNCHANGED and change.attendees)
        )
        _refuse_silence(notify, touches_people)
        times = None if change.times is UNCHANGED else change.times
        body = change_json(change, times)
        entity = await self._change(mailbox, "PATCH", event_path(event.id), body, version)
        made = replace(
            codec.event(entity, calendar_id=event.calendar_id), original_starts_at=event.original_starts_at
        )
        return await self._with_link(mailbox, made, change.is_online_meeting is True)

    async def delete_event(
        self, mailbox: MailboxAccess, event: CalendarEvent, *, version: str | None, notify: bool
    ) -> None:
        """Delete an event.

        Source: Graph, delete event.
        """
        _refuse_silence(notify, event.is_organizer and bool(invitees_of(event)))
        await self._change(mailbox, "DELETE", event_path(event.id), None, version)

    async def cancel_event(self, mailbox: MailboxAccess, event: CalendarEvent, *, comment: str) -> None:
        """Cancel a meeting.

        Source: Graph, event: cancel.
        """
        await self._client.change(mailbox, "POST", f"{event_path(event.id)}/cancel", {"comment": comment})

    async def respond(
        self, mailbox: MailboxAccess, event: CalendarEvent, answer: Answer, *, comment: str, send: bool
    ) -> None:
        """Answer a meeting.

        Source: Graph, event: accept, tentativelyAccept, decline.
        """
        path = f"{event_path(event.id)}/{_ANSWERS[answer]}"
        await self._client.change(mailbox, "POST", path, {"comment": comment, "sendResponse": send})

    async def _change(
        self, mailbox: MailboxAccess, method: str, path: str, body: object, version: str | None
    ) -> codec.JSONObject:
        try:
            return await self._client.change(mailbox, method, path, body, if_match=version)
        except Conflict as error:
            if version is None or isinstance(error, VersionChanged):
                raise
            raise VersionChanged(
                "It was changed since you read it. Read it again, then decide.", provider=error.provider
            ) from error

    async def _with_link(
        self, mailbox: MailboxAccess, event: CalendarEvent, is_online: bool
    ) -> CalendarEvent:
        """Read an online meeting again whose link is not there yet: Graph makes it a moment later (graph.md §5)."""
        if not is_online or event.online_meeting_url:
            return event
        try:
            return replace(await self.get_event(mailbox, event.id), calendar_id=event.calendar_id)
        except NotFound:
            return event


def _refuse_silence(notify: bool, touches_people: bool) -> None:
    if not notify and touches_people:
        raise NotOverThisMethod(
            "Over Graph Microsoft always tells the attendees. Leave `notify` out.", field="notify"
        )
