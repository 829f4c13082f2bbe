"""How every gateway streams attachments and whole messages, both ways and of any size."""

from __future__ import annotations

import email
import email.policy
import hashlib
import tracemalloc
import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest

from ostiary.adapters.memory.mail import MemoryMailGateway
from ostiary.core.kernel.errors import InvalidRequest, NotFound, OstiaryError
from ostiary.core.mail.attachments import MOST_ATTACHMENT_BYTES, NewAttachment, exactly
from ostiary.core.mail.drafts import MessageContent
from ostiary.core.mail.errors import TooLargeForMailbox

from .colleagues import pieces, read
from .conftest import SENDER

MEGABYTE = 1024 * 1024


def some_bytes(count: int) -> bytes:
    block = bytes(range(256)) * 256
    return (block * (count // len(block) + 1))[:count]


async def new_draft(mailbox: Any) -> Any:
    return await mailbox.mail.create_draft(
        mailbox.access, MessageContent(subject=f"Files {uuid.uuid4().hex[:8]}", to=(SENDER,), html="<p>x</p>")
    )


def file_of(content: bytes, **changes: Any) -> NewAttachment:
    return NewAttachment(
        **{"name": "report.bin", "content_type": "application/x-report", "size_bytes": len(content)} | changes
    )


async def content_of(mailbox: Any, message_id: str, attachment_id: str) -> bytes:
    async with mailbox.mail.open_attachment(mailbox.access, message_id, attachment_id) as stream:
        content = await read(stream)
        assert stream.size_bytes in (None, len(content))
        return content


@pytest.mark.parametrize("size", [0, 1, 2, 3, 70_000, 3 * MEGABYTE - 2048])
async def test_small_file_comes_back_as_it_went(mailbox: Any, size: int) -> None:
    draft, content = await new_draft(mailbox), some_bytes(size)

    added = await mailbox.mail.add_attachment(
        mailbox.access,
        draft.id,
        file_of(content, name="Bericht <Q3> & Ähnliches.bin"),
        pieces(content, 7_000),
    )

    assert await content_of(mailbox, draft.id, added.id) == content
    message = await mailbox.mail.get_message(mailbox.access, draft.id)
    (listed,) = message.attachments
    assert (listed.name, listed.content_type) == ("Bericht <Q3> & Ähnliches.bin", "application/x-report")
    assert message.has_attachments


@pytest.mark.parametrize("size", [3 * MEGABYTE, 9 * MEGABYTE + 17])
async def test_large_file_comes_back_as_it_went(mailbox: Any, size: int) -> None:
    draft, content = await new_draft(mailbox), some_bytes(size)

    added = await mailbox.mail.add_attachment(mailbox.access, draft.id, file_of(content), pieces(content))

    found = await content_of(mailbox, draft.id, added.id)
    assert (len(found), hashlib.sha256(found).digest()) == (size, hashlib.sha256(content).digest())
    if mailbox.method == "graph":
        parts = [each for each in mailbox.sent if each.method == "PUT"]
        assert len(parts) == -(-size // (12 * 320 * 1024))
        assert all("Authorization" not in each.headers for each in parts)
        assert all(len(each.body) <= 4 * MEGABYTE for each in parts)


async def test_inline_picture_keeps_its_content_id(mailbox: Any) -> None:
    draft = await new_draft(mailbox)
    file = file_of(b"picture", name="logo.png", content_type="image/png", is_inline=True, content_id="logo@1")

    added = await mailbox.mail.add_attachment(mailbox.access, draft.id, file, pieces(b"picture"))

    (listed,) = (await mailbox.mail.get_message(mailbox.access, draft.id)).attachments
    assert (added.is_inline, listed.is_inline, listed.content_id) == (True, True, "logo@1")


async def test_removed_attachment_is_gone(mailbox: Any) -> None:
    draft = await new_draft(mailbox)
    added = await mailbox.mail.add_attachment(mailbox.access, draft.id, file_of(b"abc"), pieces(b"abc"))

    await mailbox.mail.remove_attachment(mailbox.access, draft.id, added.id)

    assert (await mailbox.mail.get_message(mailbox.access, draft.id)).attachments == ()
    with pytest.raises(NotFound):
        await content_of(mailbox, draft.id, added.id)
    with pytest.raises(NotFound):
        await mailbox.mail.remove_attachment(mailbox.access, draft.id, added.id)


@pytest.mark.parametrize("said", [99, 101, 3 * MEGABYTE + 99, 3 * MEGABYTE + 101])
async def test_file_of_another_length_than_said_is_not_attached(mailbox: Any, said: int) -> None:
    draft = await new_draft(mailbox)
    content = some_bytes(100 if said < MEGABYTE else 3 * MEGABYTE + 100)

    with pytest.raises(InvalidRequest):
        await mailbox.mail.add_attachment(
            mailbox.access, draft.id, file_of(content, size_bytes=said), pieces(content)
        )

    assert (await mailbox.mail.get_message(mailbox.access, draft.id)).attachments == ()


async def test_attachment_of_received_mail_is_read(mailbox: Any, seed: Any) -> None:
    page = await mailbox.mail.list_messages(mailbox.access, folder_id="inbox", limit=1)
    message = await mailbox.mail.get_message(mailbox.access, page.items[0].id)
    wanted = {name: content for name, _, content, _ in seed.messages[-1].attachments}
    if mailbox.method == "memory":
        assert isinstance(mailbox.mail, MemoryMailGateway)
        for each in message.attachments:
            mailbox.mail.add_content(each.id, wanted[each.name])

    found = {each.name: await content_of(mailbox, message.id, each.id) for each in message.attachments}

    assert found == wanted


async def test_message_is_read_as_mime(mailbox: Any) -> None:
    draft = await new_draft(mailbox)

    async with mailbox.mail.open_mime(mailbox.access, draft.id) as stream:
        mime = await read(stream)

    parsed = email.message_from_bytes(mime, policy=email.policy.default)
    assert parsed["subject"] == draft.subject


async def test_unknown_objects_are_not_found(mailbox: Any) -> None:
    draft = await new_draft(mailbox)
    with pytest.raises(NotFound):
        await content_of(mailbox, draft.id, "gone")
    with pytest.raises(NotFound):
        await mailbox.mail.add_attachment(mailbox.access, "gone", file_of(b"x"), pieces(b"x"))
    with pytest.raises(NotFound):
        async with mailbox.mail.open_mime(mailbox.access, "gone") as stream:
            await read(stream)


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": ""},
        {"name": "a\r\nBcc: x@y.example"},
        {"name": "n" * 256},
        {"content_type": "text/plain\r\nX: y"},
        {"content_id": "a\nb"},
        {"size_bytes": -1},
        {"size_bytes": MOST_ATTACHMENT_BYTES + 1},
    ],
)
def test_what_could_break_a_header_or_the_limit_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest):
        file_of(b"", **wrong)


async def test_length_is_checked_while_it_streams() -> None:
    with pytest.raises(InvalidRequest):
        async for _ in exactly(pieces(b"abc", 2), 2):
            pass


@pytest.mark.parametrize("mailbox", ["graph", "ews"], indirect=True)
async def test_a_whole_file_is_never_in_memory(mailbox: Any) -> None:
    """40 MB go up and come down; what Python holds for it stays below a fraction of that."""
    size, block = 40 * MEGABYTE, bytes(256 * 1024)
    # The recorder of this suite keeps what is sent; here that would be the file itself.
    keep = mailbox.sent
    draft = await new_draft(mailbox)

    async def upload() -> AsyncIterator[bytes]:
        for _ in range(size // len(block)):
            for sent in keep:
                sent.body = b""
            yield block

    tracemalloc.start()
    try:
        added = await mailbox.mail.add_attachment(
            mailbox.access, draft.id, file_of(b"", size_bytes=size), upload()
        )
        for sent in keep:
            sent.body = b""
        received = 0
        async with mailbox.mail.open_attachment(mailbox.access, draft.id, added.id) as stream:
            async for chunk in stream.chunks:
                received += len(chunk)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert received == size
    assert peak < 20 * MEGABYTE, f"{peak / MEGABYTE:.1f} MB at once"


@pytest.mark.parametrize("mailbox", ["graph"], indirect=True)
async def test_file_that_fits_neither_way_is_refused_by_name(mailbox: Any) -> None:
    draft, content = await new_draft(mailbox), some_bytes(3 * MEGABYTE - 1)

    with pytest.raises(TooLargeForMailbox):
        await mailbox.mail.add_attachment(mailbox.access, draft.id, file_of(content), pieces(content))


@pytest.mark.parametrize("mailbox", ["ews"], indirect=True)
async def test_file_that_exchange_does_not_take_is_refused_by_name(mailbox: Any) -> None:
    draft = await new_draft(mailbox)
    size = 60 * MEGABYTE

    async def upload() -> AsyncIterator[bytes]:
        for _ in range(60):
            for sent in mailbox.sent:
                sent.body = b""
            yield bytes(MEGABYTE)

    with pytest.raises(OstiaryError) as refused:
        await mailbox.mail.add_attachment(mailbox.access, draft.id, file_of(b"", size_bytes=size), upload())
    assert refused.value.code == "too_large_for_mailbox"
