"""Calendars over EWS."""

from __future__ import annotations

from ostiary.adapters.ews.calendar_availability import EWSAvailability
from ostiary.adapters.ews.calendar_writing import EWSEventWriting


class EWSCalendarGateway(EWSEventWriting, EWSAvailability):
    """``CalendarGateway`` over EWS. A page of events costs two calls: find, then get them whole."""
