"""The console says when its session ends (UX §10, SR-52)."""

from __future__ import annotations

from datetime import timedelta

from lxml import html

from ostiary.bootstrap import Services
from ostiary.core.kernel.clock import MovableClock
from ostiary.core.kernel.secret import Secret

from ..console_world import Customer
from .conftest import OpenAs


async def test_each_page_knows_how_long_the_session_lasts_without_use_and_where_to_come_back(
    open_as: OpenAs, harbour: Customer, operator: Secret
) -> None:
    for session, path in ((harbour.session, "/console/incidents?show=all"), (operator, "/operator/freezes")):
        async with open_as(session) as person:
            page = html.fromstring((await person.open(path)).text)
            notice = page.get_element_by_id("session-end")
            assert notice.get("data-seconds") == "1800"
            assert all(child.get("hidden") is not None for child in notice)
            (again,) = notice.xpath(".//a/@href")
            assert again.startswith("/console/sign-in?next=")
            assert again.endswith(path.replace("/", "%2F").replace("?", "%3F").replace("=", "%3D")) or (
                path.partition("?")[0] in again
            )


async def test_asking_keeps_the_session_and_the_days_limit_cannot_be_moved(
    open_as: OpenAs, running: Services, harbour: Customer, clock: MovableClock
) -> None:
    async with open_as(harbour.session) as dana:
        for _ in range(24):
            clock.advance(timedelta(minutes=29))
            answer = await dana.open("/console/still-here")
            assert answer.status_code == 200
            assert 0 < answer.json()["seconds"] <= 1800
        # 11 hours 36 minutes are over: what is left of the day's limit counts.
        assert answer.json()["seconds"] == 24 * 60
        clock.advance(timedelta(minutes=25))
        assert (await dana.open("/console/still-here")).status_code == 303
