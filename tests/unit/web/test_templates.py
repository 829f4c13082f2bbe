"""Filters of the templates."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from jinja2 import UndefinedError

from ostiary.entrypoints.console.shell import recent_moment
from ostiary.entrypoints.web.static import StaticFiles
from ostiary.entrypoints.web.templates import (
    create_environment,
    iso_moment,
    plural,
    written_date,
    written_hour,
    written_moment,
)

from .conftest import VENDOR

MOMENT = datetime(2026, 11, 24, 14, 2, 31, tzinfo=UTC)


def test_moments_are_written_out_in_utc_wherever_they_come_from() -> None:
    elsewhere = MOMENT.astimezone(timezone(timedelta(hours=14)))
    assert written_date(elsewhere) == "24 November 2026"
    assert written_moment(elsewhere) == "24 November 2026, 14:02 UTC"
    assert written_hour(elsewhere) == "14:02 UTC"
    assert iso_moment(elsewhere) == "2026-11-24T14:02:31Z"


@pytest.mark.parametrize(
    ("ago", "expected"),
    [
        (timedelta(hours=2), "Today 12:02"),
        (timedelta(days=1), "Yesterday 14:02"),
        (timedelta(days=21), "3 November 14:02"),
        (timedelta(days=365), "24 November 2025 14:02"),
    ],
)
def test_recent_moments_read_as_people_say_them(ago: timedelta, expected: str) -> None:
    assert recent_moment(MOMENT - ago, MOMENT) == expected


def test_counts_agree_with_their_noun() -> None:
    assert [plural(n, "person", "people") for n in (0, 1, 2, 1200)] == [
        "0 people",
        "1 person",
        "2 people",
        "1,200 people",
    ]


def test_markup_in_a_name_is_shown_and_not_obeyed() -> None:
    page = create_environment(StaticFiles(), VENDOR).from_string("<p>{{ name }}</p>")
    assert page.render(name="<script>") == "<p>&lt;script&gt;</p>"


def test_name_that_nobody_gave_is_a_mistake_and_not_a_gap() -> None:
    page = create_environment(StaticFiles(), VENDOR).from_string("{{ nobody }}")
    with pytest.raises(UndefinedError):
        page.render()
