"""Every series that can be written to Microsoft is read back as it was, in JSON and in XML."""

from __future__ import annotations

import random
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from ostiary.adapters.ews.codec import recurrence as ews
from ostiary.adapters.ews.soap import TYPES, Element
from ostiary.adapters.graph.codec import recurrence as graph
from ostiary.core.calendar.recurrence import Pattern, Recurrence, dates, from_first_date, in_years
from ostiary.core.kernel.errors import ProviderContractBroken

from ...recurrence_oracle import random_recurrence

series = st.builds(
    lambda seed, pattern, start: in_years(
        from_first_date(random_recurrence(random.Random(seed), pattern, start))
    ),
    st.integers(0, 2**32),
    st.sampled_from(Pattern),
    st.dates(date(1999, 1, 1), date(2101, 1, 1)),
)


def element(xml: str) -> Element:
    return etree.fromstring(f'<r xmlns:t="{TYPES}">{xml}</r>')[0]


def days(recurrence: Recurrence | None) -> list[date]:
    assert recurrence is not None
    return [day for day, _ in zip(dates(recurrence), range(30), strict=False)]


@settings(max_examples=200, deadline=None)
@given(recurrence=series)
def test_graph_keeps_every_series(recurrence: Recurrence) -> None:
    read = graph.recurrence(graph.recurrence_json(recurrence, "UTC"))

    assert days(read) == days(recurrence)
    assert read is not None
    assert (read.pattern, read.interval, read.ends_on, read.count) == (
        recurrence.pattern,
        recurrence.interval,
        recurrence.ends_on,
        recurrence.count,
    )


@settings(max_examples=200, deadline=None)
@given(recurrence=series)
def test_ews_keeps_every_series(recurrence: Recurrence) -> None:
    read = ews.recurrence(element(ews.recurrence_xml(recurrence)))

    assert days(read) == days(recurrence)
    assert read is not None
    assert (read.pattern, read.interval, read.ends_on, read.count) == (
        recurrence.pattern,
        recurrence.interval,
        recurrence.ends_on,
        recurrence.count,
    )


@pytest.mark.parametrize(
    "xml",
    [
        "<t:Recurrence/>",
        "<t:Recurrence><t:DailyRecurrence/></t:Recurrence>",
        "<t:Recurrence><t:DailyRecurrence><t:Interval>x</t:Interval></t:DailyRecurrence>"
        "<t:NoEndRecurrence><t:StartDate>2027-01-01</t:StartDate></t:NoEndRecurrence></t:Recurrence>",
        "<t:Recurrence><t:DailyRecurrence><t:Interval>1</t:Interval></t:DailyRecurrence>"
        "<t:NoEndRecurrence><t:StartDate>someday</t:StartDate></t:NoEndRecurrence></t:Recurrence>",
        "<t:Recurrence><t:WeeklyRecurrence><t:Interval>1</t:Interval><t:DaysOfWeek>Someday</t:DaysOfWeek>"
        "</t:WeeklyRecurrence><t:NoEndRecurrence><t:StartDate>2027-01-01</t:StartDate></t:NoEndRecurrence>"
        "</t:Recurrence>",
    ],
)
def test_garbled_xml_is_one_named_error(xml: str) -> None:
    with pytest.raises(ProviderContractBroken):
        ews.recurrence(element(xml))


GOOD = graph.recurrence_json(Recurrence(Pattern.DAILY, date(2027, 1, 1)), "UTC") or {}


@pytest.mark.parametrize(
    "value",
    [
        "daily",
        {},
        {**GOOD, "pattern": {"type": "hourly"}},
        {**GOOD, "range": {"type": "noEnd", "startDate": "someday"}},
        {**GOOD, "pattern": {"type": "weekly", "interval": 1, "daysOfWeek": ["someday"]}},
        {**GOOD, "pattern": {"type": "daily", "interval": "1"}},
    ],
)
def test_garbled_json_is_one_named_error(value: object) -> None:
    with pytest.raises(ProviderContractBroken):
        graph.recurrence(value)
