"""Following a mailbox: the first reading, then every change, told once, over either method."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta

import pytest

from ostiary.adapters.sql.sync import SQLSyncStore
from ostiary.adapters.sql.unit_of_work import SQLTransactions
from ostiary.core.audit.model import SYSTEM
from ostiary.core.kernel.access_method import AccessMethod
from ostiary.core.sync.model import Stage

from .conftest import Followed

BOTH = pytest.mark.parametrize("followed", list(AccessMethod), indirect=True, ids=lambda each: each.value)


@BOTH
async def test_first_reading_tells_of_what_is_there_and_says_when_it_is_done(followed: Followed) -> None:
    await followed.read()

    truth = await followed.truth.messages()
    assert await followed.projection() == truth
    events = await followed.news()
    created = [event for event in events if event.type.value == "message.created"]
    since = followed.app.clock.now() - timedelta(days=90)
    for message_id in set(truth) - {str(event.data["message_id"]) for event in created}:
        assert await followed.truth.received_at(message_id) < since, "only what is old is not told of"
    assert len(created) > 30
    assert all(event.data["backfill"] for event in created)
    assert followed.replayed().items() <= truth.items()
    assert {event.data["source"] for event in events if event.type.value == "connection.synced"} == {
        "mail",
        "calendar",
    }
    for progress in await followed.app.sync.progress(followed.connection.id):
        assert progress.stage is Stage.LIVE
        assert progress.folders_done == progress.folders_total > 0
        assert progress.stalled_reason is None
    inbox = await followed.truth.folder("inbox")
    at = [str(event.data["received_at"]) for event in created if event.data["folder_id"] == inbox]
    assert len(at) > 10
    assert at == sorted(at, reverse=True), "newest first"
    assert created[0].data["folder_id"] == inbox


@BOTH
async def test_every_change_is_told_once_with_its_kind(followed: Followed) -> None:
    truth = followed.truth
    await followed.read()
    await followed.news()
    read_id, moved_id, binned_id, *_ = [
        each
        for each, (_, folder) in (await truth.messages()).items()
        if folder == await truth.folder("inbox")
    ]
    new_id = await truth.write("new")
    await truth.mark_read(read_id, read=True)
    await truth.mark_read(read_id, read=False)
    arrived_id = await truth.move(moved_id, "archive")
    await truth.delete(binned_id)
    purged_id = await truth.write("gone before anybody looked")
    await truth.purge(purged_id)

    await followed.sweep()

    news = await followed.news()
    told = {(event.type.value, event.data.get("message_id")) for event in news}
    assert told >= {("message.created", new_id), ("message.updated", read_id), ("message.moved", arrived_id)}
    moves = {
        event.data["previous_message_id"]: event for event in news if event.type.value == "message.moved"
    }
    assert set(moves) == {moved_id, binned_id}
    assert moves[binned_id].data["folder_id"] == await truth.folder("deleteditems")
    assert moves[moved_id].data["previous_folder_id"] == await truth.folder("inbox")
    assert len(news) == 4, told
    assert await followed.projection() == await truth.messages()

    await truth.purge(new_id)
    await followed.sweep()
    assert await followed.told() == [("message.deleted", new_id)]
    await followed.sweep()
    assert await followed.told() == []
    assert await followed.projection() == await truth.messages()


@BOTH
async def test_folders_that_come_go_and_move_take_their_messages_along(followed: Followed) -> None:
    truth = followed.truth
    await followed.read()
    await followed.news()
    folder = (await truth.ask("POST", "/mailFolders", {"displayName": "Projects"}))["id"]
    kept = await truth.write("kept", folder=folder)
    await followed.sweep()
    assert await followed.told() == [("message.created", kept)]

    await truth.ask("POST", f"/mailFolders/{folder}/permanentDelete")
    await followed.sweep()
    assert await followed.told() == [("message.deleted", kept)]
    assert await followed.projection() == await truth.messages()


@BOTH
async def test_forgotten_cursors_lead_to_a_comparison_without_false_deletes(followed: Followed) -> None:
    truth = followed.truth
    await followed.read()
    await followed.news()
    before = await truth.messages()
    victim, changed, *_ = before
    await truth.purge(victim)
    await truth.mark_read(changed, read=True)
    await truth.mark_read(changed, read=False)
    new_id = await truth.write("came while we were lost")
    followed.emulator.control("POST", f"/users/{truth.address}/forget-changes")
    followed.app.clock.advance(timedelta(minutes=30))

    await followed.sweep()

    assert sorted(await followed.told()) == [
        ("message.created", new_id),
        ("message.deleted", victim),
        ("message.updated", changed),
    ]
    assert await followed.projection() == await truth.messages()
    start, end = followed.connection.created_at, followed.app.clock.now()
    stretches = await followed.stretches(start, end)
    assert ("mail", "reconciled", "cursor_forgotten") in stretches


@BOTH
async def test_calendars_are_followed_by_event_and_series(followed: Followed) -> None:
    truth = followed.truth
    await followed.read()
    known = await followed.projection("calendar")
    assert {each: version for each, (version, _) in known.items()}.items() <= (await truth.events()).items()
    await followed.news()

    single = await truth.book("Review")
    series = await truth.book(
        "Stand-up",
        recurrence={
            "pattern": {"type": "daily", "interval": 1},
            "range": {
                "type": "numbered",
                "startDate": "2026-12-01",
                "numberOfOccurrences": 20,
                "recurrenceTimeZone": "UTC",
            },
        },
    )
    await followed.sweep()
    assert sorted(await followed.told()) == sorted([("event.created", single), ("event.created", series)])

    window = {"startDateTime": "2026-12-03T00:00:00Z", "endDateTime": "2026-12-04T00:00:00Z"}
    (occurrence,) = [
        each for each in await truth.every("/calendarView", **window) if each["subject"] == "Stand-up"
    ]
    await truth.ask("PATCH", f"/events/{occurrence['id']}", {"subject": "Stand-up, moved"})
    await followed.sweep()
    assert await followed.told() == [("event.updated", series)]

    await truth.ask("DELETE", f"/events/{occurrence['id']}")
    await followed.sweep()
    assert await followed.told() == [("event.updated", series)]

    await truth.ask("PATCH", f"/events/{single}", {"subject": "Review, later"})
    await truth.ask("DELETE", f"/events/{series}")
    await followed.sweep()
    assert sorted(await followed.told()) == sorted([("event.deleted", series), ("event.updated", single)])


@BOTH
async def test_first_reading_goes_on_where_it_stopped(
    followed: Followed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ostiary.core.sync.service.TURN_SECONDS", 0.0)
    followed.app.sync._settings = replace(followed.app.sync._settings, page_size=3)
    turns = 0
    late = ""
    while (mail := (await followed.app.sync.progress(followed.connection.id))[0]).stage is Stage.INITIAL:
        # A fresh claim each time, as another worker would take it after this one died.
        assert await followed.app.sync.read_due(limit=2) > 0
        turns += 1
        if turns == 3:
            assert 0 < mail.items_counted < mail.items_total
            late = await followed.truth.write("came in the middle")
    assert turns > 4
    # The calendar, whose many occurrences come in pages of that size too, may go on in its own.
    followed.app.sync._settings = replace(followed.app.sync._settings, page_size=200)
    await followed.read()

    truth = await followed.truth.messages()
    assert await followed.projection() == truth
    events = await followed.news()
    ids = [event.id for event in events]
    assert len(ids) == len(set(ids))
    assert [event.data["message_id"] for event in events if event.data.get("message_id") == late] == [late]


async def test_coverage_names_what_was_not_read_and_why(followed: Followed) -> None:
    app, clock = followed.app, followed.app.clock
    start = followed.connection.created_at - timedelta(hours=1)
    await followed.read()
    clock.advance(timedelta(hours=1))
    end = clock.now()
    answer = await app.sync.coverage(followed.connection.id, start=start, end=end)
    assert not answer.is_complete
    assert {(gap.source.value, gap.reason.value) for gap in answer.gaps} == {
        ("mail", "not_connected"),
        ("mail", "not_read_yet"),
        ("calendar", "not_connected"),
        ("calendar", "not_read_yet"),
    }
    await followed.sweep()
    answer = await app.sync.coverage(followed.connection.id, start=followed.connection.created_at, end=end)
    assert answer.is_complete
    assert answer.gaps == ()

    clock.advance(timedelta(hours=1))
    followed.emulator.control("POST", "/clock", {"set": clock.now().isoformat()})
    followed.emulator.control("POST", "/faults", {"route": "*/v1.0/*", "status": 503})
    await followed.mark_everything()
    await app.sync.read_due()
    answer = await app.sync.coverage(followed.connection.id, start=end, end=clock.now())
    assert {(gap.reason.value, gap.detail) for gap in answer.gaps} == {("stalled", "microsoft_down")}
    followed.emulator.control("DELETE", "/faults")
    clock.advance(timedelta(minutes=1))
    await followed.read()
    assert (
        await app.sync.coverage(followed.connection.id, start=end, end=end + timedelta(hours=1))
    ).is_complete


async def test_a_disconnected_mailbox_is_followed_no_more_and_its_projection_goes(followed: Followed) -> None:
    await followed.read()
    await followed.app.connections.disconnect(followed.connection.id, organization_id=None, actor=SYSTEM)
    assert await followed.app.sync.read_due() == 0
    assert await followed.app.sync.progress(followed.connection.id) == ()
    await followed.app.sync.purge()
    assert await followed.projection() == {}


async def test_a_claim_that_could_not_be_handed_back_is_handed_back_later(
    followed: Followed, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = followed.app
    await followed.read()
    await followed.mark_everything()

    async def away(*_: object, **__: object) -> None:
        raise ConnectionResetError

    with monkeypatch.context() as patch:
        patch.setattr(SQLSyncStore, "finish", away)
        patch.setattr(SQLSyncStore, "postpone", away)
        assert await app.sync.read_due() == 2
    assert await app.sync.read_due() == 2, "at once, not when the claim runs out"
    assert await app.sync.read_due() == 0


async def test_a_claim_whose_answer_was_lost_is_made_anew(
    followed: Followed, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = followed.app
    claim = SQLTransactions.__call__

    @asynccontextmanager
    async def answer_lost(transactions: SQLTransactions) -> AsyncIterator[object]:
        async with claim(transactions) as tx:
            yield tx
        raise ConnectionResetError

    with monkeypatch.context() as patch:
        patch.setattr(SQLTransactions, "__call__", answer_lost)
        with pytest.raises(ConnectionResetError):
            await app.sync.claim(limit=10)
    assert len(await app.sync.claim(limit=10)) == 2
    assert await app.sync.claim(limit=10) == ()
