"""Calendars over Microsoft Graph."""

from __future__ import annotations

from ostiary.adapters.graph.calendar_availability import GraphAvailability
from ostiary.adapters.graph.calendar_writing import GraphEventWriting


class GraphCalendarGateway(GraphEventWriting, GraphAvailability):
    """``CalendarGateway`` over Graph: ``calendarView`` expands occurrences, one call per page."""
