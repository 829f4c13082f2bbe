"""O365, unmodified. Its login host is fixed, so it runs under Microsoft's host names; no option of it is changed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from O365 import Account
from O365.utils.token import MemoryTokenBackend

from graph_conformance import conforming_answers
from m365_emulator.pytest_plugin import RunningEmulator
from sample import BACKGROUND_ID, BACKGROUND_SECRET, DANA, HARBOUR, TOM

UTC = ZoneInfo("UTC")
pytestmark = [
    pytest.mark.clients,
    # It leaves its sessions open.
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
]


@pytest.fixture(autouse=True)
def conformance(m365_emulator: RunningEmulator, tmp_path: Path) -> Iterator[None]:
    """Check every answer of Graph against Microsoft's metadata."""
    with conforming_answers(m365_emulator.world, tmp_path / "exchanges.jsonl"):
        yield


@pytest.fixture
def account(m365_emulator: RunningEmulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    """An account that acts as an app for Tom."""
    for name, value in m365_emulator.stand_in_environment().items():
        monkeypatch.setenv(name, value)
    made = Account(
        (BACKGROUND_ID, BACKGROUND_SECRET),
        auth_flow_type="credentials",
        tenant_id=HARBOUR,
        main_resource=TOM,
        token_backend=MemoryTokenBackend(),
        requests_delay=0,
    )
    assert made.authenticate()
    yield made
    for session in (made.connection.session, made.connection.naive_session):
        if session is not None:
            session.close()


def world_mailbox(emulator: RunningEmulator, address: str) -> Any:
    return emulator.world.find_mailbox(address)


def test_reads_messages_of_the_inbox_with_a_query(m365_emulator: RunningEmulator, account: Account) -> None:
    inbox = account.mailbox().inbox_folder()
    query = account.mailbox().new_query().equals("isRead", False)
    found = list(inbox.get_messages(limit=100, query=query, batch=5))
    stored = world_mailbox(m365_emulator, TOM).well_known("inbox")
    assert len(found) == stored.unread_count
    assert all(not one.is_read for one in found)
    assert found[0].get_body_text()


def test_writes_sends_moves_and_deletes(
    m365_emulator: RunningEmulator, account: Account, tmp_path: Path
) -> None:
    mailbox = account.mailbox()
    note = tmp_path / "note.txt"
    note.write_text("hello")
    message = mailbox.new_message()
    message.to.add(DANA)
    message.subject = "From O365"
    message.body = "<p>Hello</p>"
    message.attachments.add(str(note))
    assert message.send()
    arrived = world_mailbox(m365_emulator, DANA).all_mail()[0]
    assert (arrived.subject, arrived.has_attachments) == ("From O365", True)
    draft = mailbox.new_message()
    draft.subject = "Draft"
    assert draft.save_draft()
    archive = mailbox.archive_folder()
    assert draft.move(archive)
    assert "Draft" in {one.subject for one in archive.get_messages(limit=100)}
    assert draft.delete()


def test_folders_are_listed_and_made(account: Account) -> None:
    mailbox = account.mailbox()
    assert "Inbox" in {one.name for one in mailbox.get_folders()}
    made = mailbox.inbox_folder().create_child_folder("O365")
    assert mailbox.inbox_folder().get_folder(folder_name="O365").folder_id == made.folder_id
    assert made.delete()


def test_immutable_ids_by_default_headers(m365_emulator: RunningEmulator, account: Account) -> None:
    immutable = Account(
        (BACKGROUND_ID, BACKGROUND_SECRET),
        auth_flow_type="credentials",
        tenant_id=HARBOUR,
        main_resource=TOM,
        token_backend=MemoryTokenBackend(),
        requests_delay=0,
        default_headers={"Prefer": 'IdType="ImmutableId"'},
    )
    assert immutable.authenticate()
    message = next(iter(immutable.mailbox().inbox_folder().get_messages(limit=1)))
    assert message.object_id.startswith("AAkA")
    immutable.connection.session.close()


def test_recurring_meeting_with_an_attendee(m365_emulator: RunningEmulator, account: Account) -> None:
    calendar = account.schedule().get_default_calendar()
    event = calendar.new_event()
    event.subject = "O365 weekly"
    event.start = datetime(2027, 3, 15, 10, tzinfo=UTC)
    event.end = datetime(2027, 3, 15, 11, tzinfo=UTC)
    event.attendees.add(DANA)
    event.recurrence.set_weekly(
        1,
        days_of_week=["monday"],
        first_day_of_week="monday",
        start=datetime(2027, 3, 15).date(),
        occurrences=3,
    )
    assert event.save()
    found = calendar.get_events(
        include_recurring=True,
        start_recurring=datetime(2027, 3, 1, tzinfo=UTC),
        end_recurring=datetime(2027, 4, 30, tzinfo=UTC),
        limit=50,
    )
    mine = [one for one in found if one.subject == "O365 weekly"]
    assert [one.start.astimezone(UTC) for one in mine] == [
        event.start.astimezone(UTC) + timedelta(weeks=week) for week in range(3)
    ]
    theirs = [
        item
        for item in world_mailbox(m365_emulator, DANA).calendar.items.values()
        if item.subject == "O365 weekly"
    ]
    assert len(theirs) == 1
    assert not theirs[0].is_organizer
    assert event.delete()


def test_availability_of_two_people(account: Account) -> None:
    found = account.schedule().get_availability(
        [TOM, DANA], datetime(2027, 5, 11, 9, tzinfo=UTC), datetime(2027, 5, 11, 18, tzinfo=UTC), interval=60
    )
    assert [one["scheduleId"] for one in found] == [TOM, DANA]
