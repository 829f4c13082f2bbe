"""How every gateway narrows lists, searches, shows bodies and puts the folder tree together."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ostiary.core.kernel.errors import InvalidRequest
from ostiary.core.mail.filters import MessageFilter
from ostiary.core.mail.folder_tree import read_tree
from ostiary.core.mail.model import BodyForm

from .conftest import OWNER, SENDER

START = datetime(2026, 11, 24, 11, tzinfo=UTC)
LAST = "Figures <Q3> & more"

CASES: list[tuple[MessageFilter, set[str]]] = [
    (MessageFilter(sender=SENDER.address.upper()), {f"Note {number:02d}" for number in range(1, 24)} | {LAST}),
    (MessageFilter(sender=OWNER.address), set()),
    (MessageFilter(recipient=OWNER.address, subject="note 0"), {f"Note {number:02d}" for number in range(1, 10)}),
    (MessageFilter(recipient=SENDER.address), set()),
    (MessageFilter(subject="NOTE 1"), {f"Note {number}" for number in range(10, 20)}),
    (MessageFilter(subject="<q3> & m"), {LAST}),
    (MessageFilter(subject="it's \"quoted\""), set()),
    (MessageFilter(has_attachments=True), {LAST}),
    (MessageFilter(has_attachments=False, unread_only=True, subject="Note 2"), {"Note 20", "Note 22", "Note 23"}),
    (MessageFilter(since=START + timedelta(minutes=22)), {"Note 22", "Note 23", LAST}),
    (MessageFilter(until=START + timedelta(minutes=3)), {"Note 01", "Note 02"}),
    (
        MessageFilter(
            since=START + timedelta(minutes=4, seconds=30), until=START + timedelta(minutes=6, microseconds=1)
        ),
        {"Note 05", "Note 06"},
    ),
    (MessageFilter(words="line 7"), {"Note 07"}),
    (MessageFilter(words="figures picture"), {LAST}),
    (MessageFilter(words="figures.csv"), {LAST}),
    (MessageFilter(words="nowhere"), set()),
    (MessageFilter(words="line", unread_only=True, since=START + timedelta(minutes=20)), {"Note 20", "Note 22", "Note 23"}),
    (MessageFilter(words="line", recipient=OWNER.address, until=START + timedelta(minutes=2)), {"Note 01"}),
    (MessageFilter(words="picture", has_attachments=True, sender=SENDER.address), {LAST}),
]  # fmt: skip


@pytest.mark.parametrize(("where", "expected"), CASES)
async def test_filters_mean_the_same_everywhere(
    mailbox: Any, read_all: Any, where: MessageFilter, expected: set[str]
) -> None:
    found = await read_all(
        lambda cursor: mailbox.mail.list_messages(
            mailbox.access, folder_id="inbox", where=where, cursor=cursor, limit=4
        )
    )

    assert {each.subject for each in found} == expected
    assert len(found) == len(expected)
    received = [each.received_at for each in found]
    assert received == sorted(received, reverse=True)


@pytest.mark.parametrize(
    "words", ["AND", "a OR b NOT c", 'say "so', "(line", "subject:note", "-line", "line*", "' or 1 eq 1"]
)
async def test_no_word_of_the_caller_is_an_operator(mailbox: Any, words: str) -> None:
    """Whatever is typed is looked for as words; nothing fails, and nothing widens the search to everything."""
    page = await mailbox.mail.list_messages(
        mailbox.access, folder_id="inbox", where=MessageFilter(words=words), limit=100
    )

    assert len(page.items) < 24


@pytest.mark.parametrize("words", ['"', "-", "()"])
async def test_search_without_a_word_is_refused(mailbox: Any, words: str) -> None:
    with pytest.raises(InvalidRequest):
        await mailbox.mail.list_messages(mailbox.access, folder_id="inbox", where=MessageFilter(words=words))


@pytest.mark.parametrize("limit", [1, 7, 100])
async def test_list_over_all_folders_loses_and_repeats_nothing(
    mailbox: Any, read_all: Any, limit: int
) -> None:
    found = await read_all(
        lambda cursor: mailbox.mail.list_messages(mailbox.access, folder_id=None, cursor=cursor, limit=limit)
    )

    inbox = await read_all(
        lambda cursor: mailbox.mail.list_messages(mailbox.access, folder_id="inbox", cursor=cursor)
    )
    drafts = await mailbox.mail.list_messages(mailbox.access, folder_id="drafts")
    ids = [each.id for each in found]
    assert len(set(ids)) == len(ids)
    assert {each.id for each in (*inbox, *drafts.items)} <= set(ids)


async def test_search_over_all_folders_finds_drafts_too(mailbox: Any, read_all: Any) -> None:
    found = await read_all(
        lambda cursor: mailbox.mail.list_messages(
            mailbox.access, folder_id=None, where=MessageFilter(words="sent yet"), cursor=cursor, limit=2
        )
    )

    assert [each.subject for each in found] == ["Not sent yet"]


async def test_cursor_of_another_search_is_refused(mailbox: Any) -> None:
    page = await mailbox.mail.list_messages(mailbox.access, folder_id=None, limit=2)
    assert page.next_cursor is not None

    with pytest.raises(InvalidRequest):
        await mailbox.mail.list_messages(
            mailbox.access,
            folder_id=None,
            where=MessageFilter(unread_only=True),
            cursor=page.next_cursor,
            limit=2,
        )


async def test_body_comes_in_the_form_that_is_asked_for(mailbox: Any) -> None:
    page = await mailbox.mail.list_messages(mailbox.access, folder_id="inbox", limit=2)
    written, plain = page.items

    text = await mailbox.mail.get_message(mailbox.access, written.id, body=BodyForm.TEXT)
    html = await mailbox.mail.get_message(mailbox.access, plain.id, body=BodyForm.HTML)

    assert (text.html, html.text) == (None, None)
    assert "figures" in (text.text or "")
    assert "Line 23" in (html.html or "")


async def test_tree_holds_every_folder_after_its_parent(mailbox: Any) -> None:
    tree = await read_tree(mailbox.mail, mailbox.access)

    paths = [node.path for node in tree]
    assert ("Projects", "Alpha") in paths
    assert paths.index(("Projects",)) < paths.index(("Projects", "Alpha"))
    assert len({node.folder.id for node in tree}) == len(tree)
    by_id = {node.folder.id: node for node in tree}
    for node in tree:
        if node.folder.parent_id is not None:
            assert by_id[node.folder.parent_id].path == node.path[:-1]
