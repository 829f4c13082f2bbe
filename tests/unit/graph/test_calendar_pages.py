"""A calendar's window is followed in pages of our size: each page is a call that counts against the mailbox."""

from __future__ import annotations

from datetime import UTC, datetime

from aiohttp import web
from aiohttp.test_utils import TestServer

from ostiary.adapters.graph.calendar_changes import GraphCalendarChanges
from ostiary.adapters.graph.client import GraphClient
from ostiary.adapters.http_session import create_session
from ostiary.core.connections.model import MailboxAccess
from ostiary.core.kernel.secret import Secret

WINDOW = (datetime(2026, 11, 1, tzinfo=UTC), datetime(2027, 11, 1, tzinfo=UTC))


async def _token(refused: bool) -> Secret:
    return Secret("token")


ACCESS = MailboxAccess("con_1", "tid", "oid", "tom.ellis@harbourvale.example", _token)


async def test_every_page_is_asked_for_by_its_size_with_ids_that_stay() -> None:
    preferred: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        preferred.append(request.headers["Prefer"])
        more = "$skiptoken" not in request.query
        link = f"{request.url.origin()}/v1.0/me/calendars/AAk/calendarView/delta?$skiptoken=x"
        return web.json_response({"value": [], f"@odata.{'nextLink' if more else 'deltaLink'}": link})

    app = web.Application()
    app.router.add_get("/v1.0/me/calendars/AAk/calendarView/delta", answer)
    async with (
        TestServer(app, host="127.0.0.1") as server,
        create_session(user_agent="ostiary/test") as session,
    ):
        calendar = GraphCalendarChanges(GraphClient(session, host_url=str(server.make_url("/"))))
        first = await calendar.changes(ACCESS, "AAk", None, limit=200, window=WINDOW)
        second = await calendar.changes(ACCESS, "AAk", first.cursor, limit=200, window=WINDOW)

    assert (first.is_last, second.is_last) == (False, True)
    assert preferred == ['IdType="ImmutableId", odata.maxpagesize=200'] * 2
