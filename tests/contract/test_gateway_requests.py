"""What the gateways put on the wire: valid by Microsoft's own schemas, few calls, the token only where it belongs."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from ostiary.core.mail.filters import MessageFilter

BEGIN = datetime(2026, 11, 30, tzinfo=UTC)
END = datetime(2026, 12, 31, tzinfo=UTC)


async def use_everything(mailbox: Any) -> None:
    mail, calendar, access = mailbox.mail, mailbox.calendar, mailbox.access
    folders = await mail.list_folders(access)
    await mail.list_folders(access, parent_id=folders.items[0].id)
    page = await mail.list_messages(access, folder_id="inbox", limit=2)
    await mail.list_messages(access, folder_id="inbox", cursor=page.next_cursor, limit=2)
    await mail.list_messages(access, folder_id=folders.items[0].id, where=MessageFilter(unread_only=True))
    await mail.list_messages(access, folder_id="archive")
    await mail.get_message(access, page.items[0].id)
    calendars = await calendar.list_calendars(access)
    events = await calendar.list_events(access, starts_at=BEGIN, ends_at=END, limit=2)
    await calendar.list_events(access, starts_at=BEGIN, ends_at=END, limit=2, cursor=events.next_cursor)
    await calendar.list_events(access, starts_at=BEGIN, ends_at=END, calendar_id=calendars.items[0].id)
    await mailbox.probe.probe(access, mail=True, calendar=True)


@pytest.mark.parametrize("mailbox", ["ews"], indirect=True)
async def test_every_ews_request_follows_the_published_schema(mailbox: Any, load_checker: Any) -> None:
    checker = load_checker("ews_schema")

    await use_everything(mailbox)

    assert len(mailbox.sent) > 10
    problems = [problem for request in mailbox.sent for problem in checker.violations(request.body)]
    assert problems == []


@pytest.mark.parametrize("mailbox", ["graph"], indirect=True)
async def test_every_graph_request_selects_properties_that_exist(mailbox: Any, load_checker: Any) -> None:
    checker = load_checker("graph_schema")
    types = {
        "mailFolders": "mailFolder",
        "childFolders": "mailFolder",
        "messages": "message",
        "calendars": "calendar",
        "calendar": "calendar",
        "calendarView": "event",
        "me": "user",
    }

    await use_everything(mailbox)

    checked = 0
    for request in mailbox.sent:
        parts = urlsplit(request.url)
        select = parse_qs(parts.query).get("$select")
        if request.method != "GET" or not select:
            continue
        name = next(types[part] for part in reversed(parts.path.split("/")) if part in types)
        chosen = dict.fromkeys(select[0].split(","))
        assert checker.violations(chosen, name) == [], (request.url, name)
        checked += 1
    assert checked > 8


@pytest.mark.parametrize("mailbox", ["graph", "ews"], indirect=True)
async def test_token_goes_to_the_configured_host_only_and_in_the_header(mailbox: Any) -> None:
    await use_everything(mailbox)

    token = (await mailbox.access.access_token(False)).reveal()
    hosts = {urlsplit(request.url).netloc for request in mailbox.sent}
    assert len(hosts) == 1
    for request in mailbox.sent:
        assert request.headers["Authorization"] == f"Bearer {token}"
        assert token not in request.url
        assert token.encode() not in request.body
        assert request.headers["client-request-id"]


@pytest.mark.parametrize("mailbox", ["graph"], indirect=True)
async def test_graph_is_asked_for_immutable_ids_every_time(mailbox: Any) -> None:
    await use_everything(mailbox)

    assert all('IdType="ImmutableId"' in request.headers["Prefer"] for request in mailbox.sent)


@pytest.mark.parametrize("mailbox", ["ews"], indirect=True)
async def test_ews_is_told_whose_mailbox_it_is(mailbox: Any) -> None:
    await use_everything(mailbox)

    assert {request.headers["X-AnchorMailbox"] for request in mailbox.sent} == {mailbox.access.address}
    assert not any(b"ExchangeImpersonation" in request.body for request in mailbox.sent)


@pytest.mark.parametrize(
    ("mailbox", "calls"),
    [
        (
            "graph",
            {"folders": 2, "folders again": 1, "messages": 1, "message": 1, "events": 1, "calendars": 1},
        ),
        ("ews", {"folders": 1, "folders again": 1, "messages": 2, "message": 1, "events": 2, "calendars": 1}),
    ],
    indirect=["mailbox"],
)
async def test_a_list_costs_few_calls(mailbox: Any, calls: dict[str, int]) -> None:
    mail, calendar, access = mailbox.mail, mailbox.calendar, mailbox.access
    page = await mail.list_messages(access, folder_id="inbox", limit=1)
    actions = {
        "folders": lambda: mail.list_folders(access),
        "folders again": lambda: mail.list_folders(access),
        "messages": lambda: mail.list_messages(access, folder_id="inbox", limit=50),
        "message": lambda: mail.get_message(access, page.items[0].id),
        "events": lambda: calendar.list_events(access, starts_at=BEGIN, ends_at=END),
        "calendars": lambda: calendar.list_calendars(access),
    }

    counted: dict[str, int] = {}
    for name, action in actions.items():
        before = len(mailbox.sent)
        await action()
        counted[name] = len(mailbox.sent) - before

    assert counted == calls


@pytest.mark.parametrize("mailbox", ["graph", "ews"], indirect=True)
async def test_probe_proves_the_mailbox_without_reading_content(mailbox: Any) -> None:
    facts = await mailbox.probe.probe(mailbox.access, mail=True, calendar=True)

    assert facts.address == "sales.one@harbourvale.example"
    assert all("messages" not in request.url for request in mailbox.sent)
    assert not any(b"FindItem" in request.body for request in mailbox.sent)
