"""Times as people type them at a command."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import typer

from ostiary.core.calendar.times import EventTimes
from ostiary.core.kernel.errors import InvalidRequest


def moment(text: str, option: str) -> datetime:
    """Return a day or a time as a moment; one without an offset is UTC.

    Raises:
        InvalidRequest: It is neither.
    """
    at = typed_time(text, option)
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


def typed_moment(text: str, option: str) -> datetime:
    """As :func:`moment`, before any service runs.

    Raises:
        typer.BadParameter: It is neither a day nor a time.
    """
    try:
        return moment(text, option)
    except InvalidRequest as error:
        raise typer.BadParameter(error.message, param_hint=f"--{option}") from None


def typed_time(text: str, option: str) -> datetime:
    """Return a day or a time as it was typed, without an offset where none was."""
    try:
        return datetime.fromisoformat(text)
    except ValueError as error:
        raise InvalidRequest(
            f"--{option} is a day or a time, such as 2026-11-23 or 2026-11-23T09:00:00Z.", field=option
        ) from error


def event_times(start: str, end: str | None, minutes: int | None, zone: str | None) -> EventTimes:
    """Return when an event is: a day makes it an all-day event, until the end (exclusive) or for that day.

    Raises:
        InvalidRequest: A time is none, or neither end nor length was given.
    """
    begin = typed_time(start, "start")
    is_all_day = "T" not in start and " " not in start
    if end is not None:
        until = typed_time(end, "end")
    elif is_all_day:
        until = begin + timedelta(days=1)
    else:
        until = begin + timedelta(minutes=30 if minutes is None else minutes)
    return EventTimes(begin, until, is_all_day, zone)
