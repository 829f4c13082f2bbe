"""How every gateway writes, answers, files and sends mail, whichever way the mailbox is reached."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from ostiary.adapters.http_session import trusted
from ostiary.core.kernel.errors import Conflict, InvalidRequest, NotFound, OstiaryError, VersionChanged
from ostiary.core.kernel.mail_address import MailAddress
from ostiary.core.mail.drafts import (
    Answering,
    AnswerKind,
    MessageChanges,
    MessageContent,
    Posting,
    StampedMessage,
)
from ostiary.core.mail.errors import NotADraft
from ostiary.core.mail.model import FlagStatus, Importance

from .colleagues import Colleague, colleague_of, colleague_token
from .conftest import GUEST, OWNER, SENDER


@pytest.fixture(scope="module")
def others_token(filled_emulator: Any) -> str:
    return colleague_token(filled_emulator.url)


@pytest.fixture
def colleague(request: pytest.FixtureRequest, mailbox: Any) -> Colleague:
    if mailbox.method == "memory":
        return colleague_of(mailbox, None, "", "")
    emulator = request.getfixturevalue("filled_emulator")
    token = request.getfixturevalue("others_token")
    return colleague_of(mailbox, request.getfixturevalue("http"), emulator.url, token)


def some_subject() -> str:
    return f"Offer {uuid.uuid4().hex[:8]} <& more>"


async def newest(mailbox: Any) -> Any:
    page = await mailbox.mail.list_messages(mailbox.access, folder_id="inbox", limit=1)
    return page.items[0]


async def in_folder(mailbox: Any, folder: str, subject: str) -> list[Any]:
    page = await mailbox.mail.list_messages(mailbox.access, folder_id=folder, limit=100)
    return [each for each in page.items if each.subject == subject]


@pytest.mark.parametrize(
    ("form", "content"), [("text", "Line one\nLine <two> & three"), ("html", "<p>Hi</p>")]
)
async def test_draft_holds_what_was_written(mailbox: Any, form: str, content: str) -> None:
    subject = some_subject()
    draft = await mailbox.mail.create_draft(
        mailbox.access,
        MessageContent(
            subject=subject,
            to=(SENDER,),
            cc=(GUEST,),
            bcc=(OWNER,),
            reply_to=(GUEST,),
            importance=Importance.HIGH,
            **{form: content},
        ),
    )

    read = await mailbox.mail.get_message(mailbox.access, draft.id)
    assert draft.is_draft
    assert (read.subject, read.importance) == (subject, Importance.HIGH)
    assert [[who.address for who in group] for group in (read.to, read.cc, read.bcc, read.reply_to)] == [
        [SENDER.address],
        [GUEST.address],
        [OWNER.address],
        [GUEST.address],
    ]
    written = read.text if form == "text" else read.html
    assert written is not None
    assert content.split("\n")[-1] in written.replace("\r\n", "\n")
    assert (read.text is None) == (form == "html")
    assert [each.id for each in await in_folder(mailbox, "drafts", subject)] == [draft.id]


async def test_empty_draft_is_a_draft(mailbox: Any) -> None:
    draft = await mailbox.mail.create_draft(mailbox.access, MessageContent())

    assert (draft.is_draft, draft.subject, draft.to) == (True, "", ())


async def test_draft_changes_only_where_something_was_given(mailbox: Any) -> None:
    content = MessageContent(subject=some_subject(), to=(SENDER,), cc=(GUEST,), text="first")
    draft = await mailbox.mail.create_draft(mailbox.access, content)

    changed = await mailbox.mail.update_message(
        mailbox.access,
        draft.id,
        MessageChanges(MessageContent(html="<b>second</b>", cc=(), importance=Importance.LOW)),
    )

    read = await mailbox.mail.get_message(mailbox.access, draft.id)
    assert (changed.subject, [who.address for who in changed.to]) == (content.subject, [SENDER.address])
    assert changed.importance is Importance.LOW
    assert changed.version != draft.version
    assert read.cc == ()
    assert read.html is not None
    assert "<b>second</b>" in read.html
    assert read.text is None


async def test_marks_change_on_any_message_and_can_be_taken_off(mailbox: Any) -> None:
    message = await newest(mailbox)
    marked = await mailbox.mail.update_message(
        mailbox.access,
        message.id,
        MessageChanges(is_read=True, flag=FlagStatus.FLAGGED, categories=("Blue category", "Our & own")),
    )
    assert (marked.is_read, marked.flag) == (True, FlagStatus.FLAGGED)
    assert set(marked.categories) == {"Blue category", "Our & own"}

    cleared = await mailbox.mail.update_message(
        mailbox.access,
        message.id,
        MessageChanges(is_read=False, flag=FlagStatus.NONE, categories=()),
    )
    assert (cleared.is_read, cleared.flag, cleared.categories) == (False, FlagStatus.NONE, ())

    done = await mailbox.mail.update_message(
        mailbox.access, message.id, MessageChanges(flag=FlagStatus.COMPLETE)
    )
    assert done.flag is FlagStatus.COMPLETE
    listed = await newest(mailbox)
    assert listed.flag is FlagStatus.COMPLETE


async def test_change_of_another_version_is_refused(mailbox: Any) -> None:
    draft = await mailbox.mail.create_draft(mailbox.access, MessageContent(subject=some_subject()))
    change = MessageChanges(MessageContent(subject=some_subject()))
    changed = await mailbox.mail.update_message(mailbox.access, draft.id, change, if_version=draft.version)

    with pytest.raises(VersionChanged):
        await mailbox.mail.update_message(mailbox.access, draft.id, change, if_version=draft.version)
    with pytest.raises(VersionChanged):
        await mailbox.mail.delete(mailbox.access, draft.id, if_version=draft.version)

    await mailbox.mail.delete(mailbox.access, draft.id, if_version=changed.version)


async def test_content_of_received_mail_cannot_change(mailbox: Any) -> None:
    message = await newest(mailbox)

    with pytest.raises(NotADraft):
        await mailbox.mail.update_message(
            mailbox.access, message.id, MessageChanges(MessageContent(subject="other"))
        )
    with pytest.raises(NotADraft):
        await mailbox.mail.stamp_draft(mailbox.access, message.id, Posting("stamp"))


async def test_sent_draft_arrives_once_and_lies_in_sent_items(mailbox: Any, colleague: Colleague) -> None:
    subject = some_subject()
    draft = await mailbox.mail.create_draft(
        mailbox.access, MessageContent(subject=subject, to=(SENDER,), text="The offer.")
    )

    await mailbox.mail.send_draft(mailbox.access, draft.id, version=draft.version)

    (arrived,) = await colleague.arrived(subject)
    assert arrived.sender is not None
    assert arrived.sender.address == OWNER.address
    assert "The offer." in (arrived.text or arrived.html or "")
    (sent,) = await in_folder(mailbox, "sent", subject)
    assert not sent.is_draft
    assert await in_folder(mailbox, "drafts", subject) == []
    if mailbox.mail.capabilities.sent_message_id:
        assert sent.id == draft.id


async def test_draft_can_be_sent_only_once(mailbox: Any, colleague: Colleague) -> None:
    subject = some_subject()
    draft = await mailbox.mail.create_draft(mailbox.access, MessageContent(subject=subject, to=(SENDER,)))
    await mailbox.mail.send_draft(mailbox.access, draft.id)

    with pytest.raises(OstiaryError):
        await mailbox.mail.send_draft(mailbox.access, draft.id)

    assert len(await colleague.arrived(subject)) == 1


@pytest.mark.parametrize("people", [(), (MailAddress("not an address"),)])
async def test_message_to_nobody_is_refused(mailbox: Any, people: tuple[MailAddress, ...]) -> None:
    subject = some_subject()

    async def write_and_send() -> None:
        draft = await mailbox.mail.create_draft(mailbox.access, MessageContent(subject=subject, to=people))
        await mailbox.mail.send_draft(mailbox.access, draft.id)

    with pytest.raises(InvalidRequest):
        await write_and_send()

    assert await in_folder(mailbox, "sent", subject) == []


async def test_stamp_finds_the_message_before_and_after_it_is_sent(mailbox: Any) -> None:
    stamp = uuid.uuid4().hex
    assert await mailbox.mail.find_stamped(mailbox.access, stamp) is None
    draft = await mailbox.mail.create_draft(
        mailbox.access, MessageContent(subject=some_subject(), to=(SENDER,)), posting=Posting(stamp)
    )
    assert await mailbox.mail.find_stamped(mailbox.access, stamp) == StampedMessage(draft.id, is_draft=True)

    await mailbox.mail.send_draft(mailbox.access, draft.id, version=draft.version)

    found = await mailbox.mail.find_stamped(mailbox.access, stamp)
    assert found is not None
    assert not found.is_draft
    assert await mailbox.mail.find_stamped(mailbox.access, stamp[:-1]) is None


async def test_draft_of_somebody_else_can_be_stamped(mailbox: Any) -> None:
    stamp = uuid.uuid4().hex
    draft = await mailbox.mail.create_draft(
        mailbox.access, MessageContent(subject=some_subject(), to=(SENDER,))
    )

    stamped = await mailbox.mail.stamp_draft(mailbox.access, draft.id, Posting(stamp))

    assert (await mailbox.mail.find_stamped(mailbox.access, stamp)) == StampedMessage(draft.id, is_draft=True)
    await mailbox.mail.send_draft(mailbox.access, draft.id, version=stamped.version)


@pytest.mark.parametrize("mailbox", ["graph", "ews"], indirect=True)
async def test_scheduled_message_carries_its_time(mailbox: Any, filled_emulator: Any) -> None:
    at = datetime(2026, 12, 24, 17, 30, tzinfo=UTC)
    subject = some_subject()
    await mailbox.mail.create_draft(
        mailbox.access,
        MessageContent(subject=subject, to=(SENDER,)),
        posting=Posting(uuid.uuid4().hex, deliver_at=at),
    )

    with httpx.Client(timeout=20, trust_env=False, verify=trusted()) as graph:
        answer = graph.get(
            f"{filled_emulator.url}/v1.0/me/mailFolders/drafts/messages",
            params={
                "$select": "subject",
                "$expand": "singleValueExtendedProperties($filter=id eq 'SystemTime 0x3FEF')",
            },
            headers={"Authorization": f"Bearer {filled_emulator.graph_token}"},
        )
    (draft,) = [each for each in answer.json()["value"] if each["subject"] == subject]
    assert draft["singleValueExtendedProperties"][0]["value"] == "2026-12-24T17:30:00Z"


async def submitted_for_later(mailbox: Any, emulator: Any) -> tuple[str, Any]:
    """Send a message that shall leave in five minutes of the emulator's clock; returns subject and draft."""
    subject = some_subject()
    now = datetime.fromisoformat(emulator.control("GET", "/clock")["now"])
    draft = await mailbox.mail.create_draft(
        mailbox.access,
        MessageContent(subject=subject, to=(SENDER,)),
        posting=Posting(uuid.uuid4().hex, deliver_at=now + timedelta(minutes=5)),
    )
    await mailbox.mail.send_draft(mailbox.access, draft.id, version=draft.version)
    return subject, draft


@pytest.mark.parametrize("mailbox", ["graph", "ews"], indirect=True)
async def test_scheduled_message_arrives_at_its_time_and_not_before(
    mailbox: Any, colleague: Colleague, emulator_process: Any
) -> None:
    subject, draft = await submitted_for_later(mailbox, emulator_process)
    emulator_process.control("POST", "/clock", {"advance_seconds": 299})
    assert await colleague.arrived(subject) == []
    assert [each.id for each in await in_folder(mailbox, "drafts", subject)] == [draft.id]
    with pytest.raises(OstiaryError):
        await mailbox.mail.send_draft(mailbox.access, draft.id)

    emulator_process.control("POST", "/clock", {"advance_seconds": 1})

    assert len(await colleague.arrived(subject)) == 1
    assert len(await in_folder(mailbox, "sent", subject)) == 1
    assert await in_folder(mailbox, "drafts", subject) == []


@pytest.mark.parametrize("for_good", [False, True])
@pytest.mark.parametrize("mailbox", ["graph", "ews"], indirect=True)
async def test_scheduled_message_that_is_deleted_before_its_time_never_arrives(
    mailbox: Any, colleague: Colleague, emulator_process: Any, for_good: bool
) -> None:
    subject, draft = await submitted_for_later(mailbox, emulator_process)
    await mailbox.mail.delete(mailbox.access, draft.id, for_good=for_good)

    emulator_process.control("POST", "/clock", {"advance_seconds": 301})

    assert await colleague.arrived(subject) == []
    assert await in_folder(mailbox, "sent", subject) == []


@pytest.mark.parametrize("kind", [AnswerKind.REPLY, AnswerKind.REPLY_ALL])
@pytest.mark.parametrize("form", ["text", "html"])
async def test_answer_is_addressed_threaded_and_quotes_below(
    mailbox: Any, seed: Any, kind: AnswerKind, form: str
) -> None:
    original = await newest(mailbox)
    written = "Thank you <very> much." if form == "text" else "<p>Thank you.</p>"

    draft = await mailbox.mail.create_draft(
        mailbox.access, MessageContent(**{form: written}), answering=Answering(original.id, kind)
    )

    assert draft.is_draft
    assert draft.subject.endswith(seed.messages[-1].subject)
    assert draft.subject != original.subject
    assert draft.conversation_id == original.conversation_id
    # The original asks for answers to go to somebody else.
    assert next(who.address for who in draft.to) == GUEST.address
    body = draft.html or draft.text or ""
    assert "Thank you" in body
    assert "figures" in body
    assert body.index("Thank you") < body.index("figures")
    assert "Thank you <very>" not in (draft.html or "")


async def test_answer_to_plain_text_stays_readable(mailbox: Any) -> None:
    page = await mailbox.mail.list_messages(mailbox.access, folder_id="inbox", limit=2)
    original = page.items[1]
    draft = await mailbox.mail.create_draft(
        mailbox.access,
        MessageContent(text="Fine with me."),
        answering=Answering(original.id, AnswerKind.REPLY),
    )

    body = draft.text or draft.html or ""
    assert body.index("Fine with me.") < body.index("Line 23")
    assert [who.address for who in draft.to] == [SENDER.address]


async def test_forward_takes_attachments_along(mailbox: Any, colleague: Colleague) -> None:
    original = await newest(mailbox)
    draft = await mailbox.mail.create_draft(
        mailbox.access,
        MessageContent(subject=(subject := some_subject()), to=(SENDER,), html="<p>See below.</p>"),
        answering=Answering(original.id, AnswerKind.FORWARD),
    )
    assert {each.name for each in draft.attachments} == {"figures.csv", "logo.png"}

    await mailbox.mail.send_draft(mailbox.access, draft.id, version=draft.version)

    (arrived,) = await colleague.arrived(subject)
    assert {each.name for each in arrived.attachments} == {"figures.csv", "logo.png"}
    assert "See below." in (arrived.html or "")


async def test_answer_keeps_what_was_given(mailbox: Any) -> None:
    original = await newest(mailbox)
    draft = await mailbox.mail.create_draft(
        mailbox.access,
        MessageContent(subject="Another", to=(SENDER,), reply_to=(GUEST,), importance=Importance.LOW),
        answering=Answering(original.id, AnswerKind.REPLY),
        posting=Posting(stamp := uuid.uuid4().hex),
    )

    assert (draft.subject, [who.address for who in draft.to]) == ("Another", [SENDER.address])
    assert [who.address for who in draft.reply_to] == [GUEST.address]
    assert draft.importance is Importance.LOW
    assert (await mailbox.mail.find_stamped(mailbox.access, stamp)) == StampedMessage(draft.id, is_draft=True)


async def test_thread_holds_the_conversation_over_all_folders_oldest_first(mailbox: Any) -> None:
    page = await mailbox.mail.list_messages(mailbox.access, folder_id="inbox", limit=10)
    # Both methods reach one mailbox, so each answers a message of its own.
    original = page.items[8 if mailbox.method == "ews" else 5]
    draft = await mailbox.mail.create_draft(
        mailbox.access, MessageContent(text="One."), answering=Answering(original.id, AnswerKind.REPLY)
    )
    await mailbox.mail.send_draft(mailbox.access, draft.id, version=draft.version)

    thread = await mailbox.mail.list_thread(mailbox.access, original.id)

    assert [each.subject for each in thread] == [original.subject, draft.subject]
    assert {each.conversation_id for each in thread} == {original.conversation_id}
    assert thread[1].folder_id != original.folder_id
    assert [each.id for each in await mailbox.mail.list_thread(mailbox.access, original.id, limit=1)] == [
        thread[1].id
    ]


async def test_moved_message_is_in_the_other_folder_only(mailbox: Any) -> None:
    subject = some_subject()
    draft = await mailbox.mail.create_draft(mailbox.access, MessageContent(subject=subject))

    moved = await mailbox.mail.move(mailbox.access, draft.id, "archive")

    assert moved.subject == subject
    assert [each.id for each in await in_folder(mailbox, "archive", subject)] == [moved.id]
    assert await in_folder(mailbox, "drafts", subject) == []
    if mailbox.mail.capabilities.stable_message_ids:
        assert moved.id == draft.id


async def test_copied_message_is_in_both_folders(mailbox: Any, read_all: Any) -> None:
    folders = await read_all(lambda cursor: mailbox.mail.list_folders(mailbox.access, cursor=cursor))
    projects = next(each for each in folders if each.name == "Projects")
    subject = some_subject()
    draft = await mailbox.mail.create_draft(mailbox.access, MessageContent(subject=subject))

    copied = await mailbox.mail.copy(mailbox.access, draft.id, projects.id)

    assert copied.id != draft.id
    assert copied.folder_id == projects.id
    assert [each.id for each in await in_folder(mailbox, "drafts", subject)] == [draft.id]
    assert [each.id for each in await in_folder(mailbox, projects.id, subject)] == [copied.id]


async def test_deleted_message_goes_to_deleted_items_and_for_good_only_when_told(mailbox: Any) -> None:
    subject = some_subject()
    first = await mailbox.mail.create_draft(mailbox.access, MessageContent(subject=subject))
    await mailbox.mail.delete(mailbox.access, first.id)
    (deleted,) = await in_folder(mailbox, "deleted", subject)

    await mailbox.mail.delete(mailbox.access, deleted.id, for_good=True)

    assert await in_folder(mailbox, "deleted", subject) == []


async def test_unknown_objects_are_not_found(mailbox: Any) -> None:
    draft = await mailbox.mail.create_draft(mailbox.access, MessageContent(subject=some_subject()))
    with pytest.raises(NotFound):
        await mailbox.mail.move(mailbox.access, draft.id, "gone")
    for call in (
        mailbox.mail.move(mailbox.access, "gone", "inbox"),
        mailbox.mail.copy(mailbox.access, "gone", "inbox"),
        mailbox.mail.delete(mailbox.access, "gone"),
        mailbox.mail.delete(mailbox.access, "gone", for_good=True),
        mailbox.mail.update_message(mailbox.access, "gone", MessageChanges(is_read=True)),
        mailbox.mail.send_draft(mailbox.access, "gone"),
        mailbox.mail.list_thread(mailbox.access, "gone"),
        mailbox.mail.create_draft(
            mailbox.access, MessageContent(), answering=Answering("gone", AnswerKind.REPLY)
        ),
    ):
        with pytest.raises(NotFound):
            await call


def test_body_is_text_or_html() -> None:
    with pytest.raises(InvalidRequest):
        MessageContent(text="a", html="b")
    with pytest.raises(InvalidRequest):
        MessageContent(to=tuple(MailAddress(f"p{number}@harbourvale.example") for number in range(1001)))
    assert issubclass(NotADraft, Conflict)
