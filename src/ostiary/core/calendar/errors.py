"""What can go wrong with calendar events, beside what goes wrong everywhere."""

from __future__ import annotations

from ostiary.core.kernel.errors import Conflict, InvalidRequest


class NotOrganizer(Conflict):
    """Only the organizer of a meeting may do this; an attendee can answer it, or change the own copy."""

    code = "not_organizer"


class NotAttendee(Conflict):
    """The owner organizes this meeting, or it has no organizer: there is nothing to answer."""

    code = "not_attendee"


class NotOverThisMethod(InvalidRequest):
    """Microsoft offers this over the other access method only; ``capabilities`` says so beforehand."""

    code = "not_over_this_method"
