"""What calendars can and cannot do over one access method: said beforehand, never failed silently."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ostiary.core.calendar.availability import LONGEST_LOOK, MOST_PEOPLE
from ostiary.core.calendar.drafts import MOST_ATTENDEES
from ostiary.core.calendar.window import LONGEST_WINDOW
from ostiary.core.calendar.writing import MOST_ANSWERED
from ostiary.core.kernel.access_method import AccessMethod


@dataclass(frozen=True, slots=True)
class CalendarCapabilities:
    """Where Microsoft's two ways differ for calendars, and the limits that are the same for both."""

    stable_event_ids: bool
    """Whether an event keeps its id when it is moved to another calendar."""
    can_stay_silent: bool
    """Whether ``notify`` can be false for a meeting that has attendees."""
    online_meetings: bool
    """Whether an online meeting can be made; its link is always told."""
    same_uid_for_occurrences: bool
    """Whether all meetings of a series share one ``ical_uid``."""
    if_match_on_delete: bool
    """Whether Microsoft itself compares the version of what is deleted; otherwise we do, a moment before."""
    own_zone_has_a_name: bool
    """Whether the owner's zone is known by name; otherwise one that keeps the same clock stands for it."""
    split_keeps_attachments: bool
    """Whether a change with scope *following* takes along what is attached to the series: over neither method."""
    longest_window_days: int
    longest_free_busy_days: int
    most_free_busy_people: int
    most_attendees: int
    most_answered_meetings: int
    """Meetings that one answer with scope *following* reaches."""


def calendar_capabilities(method: AccessMethod) -> CalendarCapabilities:
    """Return what calendars can do over an access method."""
    is_graph = method is AccessMethod.GRAPH
    return CalendarCapabilities(
        stable_event_ids=is_graph,
        can_stay_silent=not is_graph,
        online_meetings=is_graph,
        same_uid_for_occurrences=not is_graph,
        if_match_on_delete=is_graph,
        own_zone_has_a_name=is_graph,
        split_keeps_attachments=False,
        **_LIMITS,
    )


_LIMITS: Final = {
    "longest_window_days": LONGEST_WINDOW.days,
    "longest_free_busy_days": LONGEST_LOOK.days,
    "most_free_busy_people": MOST_PEOPLE,
    "most_attendees": MOST_ATTENDEES,
    "most_answered_meetings": MOST_ANSWERED,
}
