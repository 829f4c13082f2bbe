"""What every mail gateway does, whichever way the mailbox is reached."""

from __future__ import annotations

from typing import Any

import pytest

from ostiary.core.kernel.errors import InvalidRequest, NotFound
from ostiary.core.mail.filters import MessageFilter
from ostiary.core.mail.model import BodyForm, Importance, WellKnownFolder

EVERYWHERE = {
    WellKnownFolder.INBOX,
    WellKnownFolder.DRAFTS,
    WellKnownFolder.SENT,
    WellKnownFolder.DELETED,
    WellKnownFolder.JUNK,
    WellKnownFolder.ARCHIVE,
    WellKnownFolder.OUTBOX,
}


async def test_top_level_holds_every_well_known_folder_and_own_ones(mailbox: Any, read_all: Any) -> None:
    folders = await read_all(lambda cursor: mailbox.mail.list_folders(mailbox.access, cursor=cursor, limit=4))

    assert {folder.well_known for folder in folders} - {None} == EVERYWHERE
    assert len({folder.id for folder in folders}) == len(folders)
    assert all(folder.parent_id is None for folder in folders)
    names = [folder.name for folder in folders]
    assert "Projects" in names
    assert "Alpha" not in names
    assert not {"Calendar", "Contacts", "Tasks"} & set(names)


async def test_folder_counts_what_is_in_it(mailbox: Any, seed: Any, read_all: Any) -> None:
    folders = await read_all(lambda cursor: mailbox.mail.list_folders(mailbox.access, cursor=cursor))

    inbox = next(each for each in folders if each.well_known is WellKnownFolder.INBOX)
    projects = next(each for each in folders if each.name == "Projects")
    assert inbox.total_count == len(seed.messages)
    assert inbox.unread_count == sum(not message.is_read for message in seed.messages)
    assert projects.child_count == 1


async def test_child_folder_names_its_parent(mailbox: Any, read_all: Any) -> None:
    folders = await read_all(lambda cursor: mailbox.mail.list_folders(mailbox.access, cursor=cursor))
    projects = next(each for each in folders if each.name == "Projects")

    children = await mailbox.mail.list_folders(mailbox.access, parent_id=projects.id)

    assert [(child.name, child.parent_id) for child in children.items] == [("Alpha", projects.id)]
    assert children.next_cursor is None


@pytest.mark.parametrize("limit", [1, 7, 100])
async def test_pages_lose_and_repeat_nothing_newest_first(
    mailbox: Any, seed: Any, read_all: Any, limit: int
) -> None:
    messages = await read_all(
        lambda cursor: mailbox.mail.list_messages(
            mailbox.access, folder_id="inbox", cursor=cursor, limit=limit
        )
    )

    assert [message.subject for message in messages] == [each.subject for each in reversed(seed.messages)]
    assert [message.received_at for message in messages] == [
        each.received_at for each in reversed(seed.messages)
    ]
    assert len({message.id for message in messages}) == len(seed.messages)


async def test_folder_may_be_named_by_its_id(mailbox: Any, read_all: Any) -> None:
    folders = await read_all(lambda cursor: mailbox.mail.list_folders(mailbox.access, cursor=cursor))
    inbox = next(each for each in folders if each.well_known is WellKnownFolder.INBOX)

    by_id = await mailbox.mail.list_messages(mailbox.access, folder_id=inbox.id, limit=5)
    by_name = await mailbox.mail.list_messages(mailbox.access, folder_id="inbox", limit=5)

    assert [message.id for message in by_id.items] == [message.id for message in by_name.items]
    assert {message.folder_id for message in by_name.items} == {inbox.id}


@pytest.mark.parametrize("name", list(WellKnownFolder))
async def test_every_well_known_folder_can_be_listed_by_name(mailbox: Any, name: WellKnownFolder) -> None:
    page = await mailbox.mail.list_messages(mailbox.access, folder_id=name.value, limit=3)

    if name is not WellKnownFolder.SENT:  # invitations may lie there
        assert bool(page.items) == (name in (WellKnownFolder.INBOX, WellKnownFolder.DRAFTS))


async def test_unread_filter_leaves_out_what_was_read(mailbox: Any, seed: Any, read_all: Any) -> None:
    messages = await read_all(
        lambda cursor: mailbox.mail.list_messages(
            mailbox.access, folder_id="inbox", where=MessageFilter(unread_only=True), cursor=cursor, limit=6
        )
    )

    unread = [each.subject for each in reversed(seed.messages) if not each.is_read]
    assert [message.subject for message in messages] == unread
    assert not any(message.is_read for message in messages)


async def test_summary_says_who_what_and_when(mailbox: Any, seed: Any) -> None:
    page = await mailbox.mail.list_messages(mailbox.access, folder_id="inbox", limit=1)

    (message,) = page.items
    expected = seed.messages[-1]
    assert message.subject == expected.subject
    assert message.sender is not None
    assert message.sender.address == "sales.two@harbourvale.example"
    assert message.sender.name == "Sales Two"
    assert [who.address for who in message.to] == ["sales.one@harbourvale.example"]
    assert message.importance is Importance.HIGH
    assert set(message.categories) == set(expected.categories)
    assert message.has_attachments
    assert message.preview.startswith("Hello, the figures & a picture.")
    assert message.internet_message_id is not None
    assert message.conversation_id
    assert message.version


async def test_whole_message_has_html_people_attachments_and_headers(mailbox: Any, seed: Any) -> None:
    page = await mailbox.mail.list_messages(mailbox.access, folder_id="inbox", limit=1)

    message = await mailbox.mail.get_message(mailbox.access, page.items[0].id)

    expected = seed.messages[-1]
    assert message.id == page.items[0].id
    assert message.version == page.items[0].version
    assert message.text is None
    assert message.html is not None
    assert "<b>figures</b> &amp; a picture" in message.html
    assert [who.address for who in message.cc] == [who.address for who in expected.cc]
    assert [who.address for who in message.reply_to] == [who.address for who in expected.reply_to]
    assert {(each.name, each.content_type, each.is_inline) for each in message.attachments} == {
        (name, content_type, inline) for name, content_type, _, inline in expected.attachments
    }
    assert {each.content_id for each in message.attachments if each.is_inline} == {"logo"}
    assert all(each.size_bytes > 0 and each.id for each in message.attachments)
    headers = {name.lower(): values for name, values in message.headers.items()}
    assert headers["x-larkspur-case"] == ("4711",)


async def test_plain_text_message_has_text_and_no_html(mailbox: Any, seed: Any) -> None:
    page = await mailbox.mail.list_messages(mailbox.access, folder_id="inbox", limit=2)

    message = await mailbox.mail.get_message(mailbox.access, page.items[1].id)

    assert message.text is not None
    assert message.text.strip() == seed.messages[-2].text
    assert message.html is None
    assert message.attachments == ()


async def test_many_messages_come_in_the_order_of_their_ids_as_each_would_alone(
    mailbox: Any, read_all: Any
) -> None:
    listed = await read_all(
        lambda cursor: mailbox.mail.list_messages(mailbox.access, folder_id="inbox", cursor=cursor, limit=50)
    )
    ids = [each.id for each in reversed(listed)]

    messages = await mailbox.mail.get_messages(mailbox.access, ids, body=BodyForm.HTML)

    assert [message.id for message in messages] == ids
    assert messages[-1] == await mailbox.mail.get_message(mailbox.access, ids[-1], body=BodyForm.HTML)
    assert messages[0] == await mailbox.mail.get_message(mailbox.access, ids[0], body=BodyForm.HTML)


async def test_a_message_that_is_gone_keeps_no_other_of_many_back(mailbox: Any) -> None:
    page = await mailbox.mail.list_messages(mailbox.access, folder_id="inbox", limit=2)
    first, second = (each.id for each in page.items)

    outcomes = await mailbox.mail.get_messages(mailbox.access, [first, "gone", "no such id", second, first])

    assert [getattr(each, "id", type(each)) for each in outcomes] == [
        first,
        NotFound,
        NotFound,
        second,
        first,
    ]
    assert [type(each) for each in await mailbox.mail.get_messages(mailbox.access, ["gone"])] == [NotFound]
    assert await mailbox.mail.get_messages(mailbox.access, []) == ()


async def test_draft_is_a_draft(mailbox: Any) -> None:
    page = await mailbox.mail.list_messages(mailbox.access, folder_id="drafts")

    assert [(message.subject, message.is_draft) for message in page.items] == [("Not sent yet", True)]


async def test_ids_are_safe_in_a_path(mailbox: Any) -> None:
    messages = await mailbox.mail.list_messages(mailbox.access, folder_id="inbox", limit=5)
    folders = await mailbox.mail.list_folders(mailbox.access)

    for object_id in [each.id for each in (*messages.items, *folders.items)]:
        assert not set(object_id) & set("/+?#% "), object_id


@pytest.mark.parametrize("wrong", ["gone", "no such id", "../me/messages", "a\r\nb: c", "x" * 2000, ""])
async def test_unknown_message_is_not_found(mailbox: Any, wrong: str) -> None:
    with pytest.raises(NotFound):
        await mailbox.mail.get_message(mailbox.access, wrong)


@pytest.mark.parametrize("wrong", ["gone", "no such id", "..", "inbox/../drafts"])
async def test_unknown_folder_is_not_found(mailbox: Any, wrong: str) -> None:
    with pytest.raises(NotFound):
        await mailbox.mail.list_messages(mailbox.access, folder_id=wrong)
    with pytest.raises(NotFound):
        await mailbox.mail.list_folders(mailbox.access, parent_id=wrong)


async def test_cursor_of_another_list_is_refused(mailbox: Any) -> None:
    page = await mailbox.mail.list_messages(mailbox.access, folder_id="inbox", limit=2)
    assert page.next_cursor is not None

    for folder, unread in (("drafts", False), ("inbox", True)):
        with pytest.raises(InvalidRequest):
            await mailbox.mail.list_messages(
                mailbox.access,
                folder_id=folder,
                cursor=page.next_cursor,
                limit=2,
                where=MessageFilter(unread_only=unread),
            )
    for nonsense in ("x", "ä", page.next_cursor[:-4], "e30", "A" * 10_000):
        with pytest.raises(InvalidRequest):
            await mailbox.mail.list_messages(mailbox.access, folder_id="inbox", cursor=nonsense, limit=2)
