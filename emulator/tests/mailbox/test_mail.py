"""Delivery, answers, search, MIME, generation."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from random import Random
from typing import Any

import pytest

from m365_emulator.world.mailbox import (
    Attachment,
    Body,
    Mailbox,
    Message,
    PropertyKey,
    PropertyType,
    Recipient,
)
from m365_emulator.world.mailbox.bodies import preview, to_html, to_text, without_scripts
from m365_emulator.world.mailbox.delivery import SendAsDenied, send
from m365_emulator.world.mailbox.drafting import create_draft, forward, reply_to
from m365_emulator.world.mailbox.errors import InvalidContent, InvalidRecipients
from m365_emulator.world.mailbox.generate import fill
from m365_emulator.world.mailbox.held import SubmittedAlready, release_due
from m365_emulator.world.mailbox.mime import from_mime, to_mime
from m365_emulator.world.mailbox.search import compile_search
from m365_emulator.world.mailbox.store import DeleteMode

SUPPORT = Recipient("Support", "support@vale.example")
SALES = Recipient("Sales", "sales@vale.example")
NOW = datetime(2026, 11, 24, 9, tzinfo=UTC)


def newest(mailbox: Mailbox, folder: str = "inbox") -> Message:
    item = list(mailbox.well_known(folder).items.values())[-1]
    assert isinstance(item, Message)
    return item


def test_draft_that_is_sent_keeps_its_identity_and_arrives_without_blind_copies(
    sales: Mailbox, support: Mailbox
) -> None:
    draft = create_draft(sales, Message(subject="x", to=(SUPPORT,), bcc=(SALES,)))
    identity = draft.identity
    send(sales, draft)
    assert draft.folder.well_known == "sentitems"
    assert draft.identity == identity
    arrived = newest(support)
    assert arrived.bcc == ()
    assert not arrived.is_read
    assert arrived.internet_message_id == draft.internet_message_id
    assert newest(sales).subject == "x"


def test_sending_checks_recipients_and_the_right_to_the_from_address(
    sales: Mailbox, support: Mailbox
) -> None:
    with pytest.raises(InvalidRecipients):
        send(sales, Message(subject="x"))
    with pytest.raises(InvalidRecipients):
        send(sales, Message(subject="x", to=(Recipient("", "no address"),)))
    with pytest.raises(SendAsDenied):
        send(sales, Message(subject="x", to=(SUPPORT,), from_=SUPPORT))
    support.permissions.send_on_behalf.add(sales.owner.oid)
    send(sales, Message(subject="x", to=(SUPPORT,), from_=SUPPORT))
    assert (newest(support).from_, newest(support).sender) == (SUPPORT, SALES)


def test_unknown_address_of_an_own_domain_bounces_and_a_foreign_one_leaves_quietly(sales: Mailbox) -> None:
    send(
        sales,
        Message(
            subject="x", to=(Recipient("", "nobody@vale.example"), Recipient("", "someone@elsewhere.example"))
        ),
    )
    assert newest(sales).item_class == "REPORT.IPM.Note.NDR"
    assert "nobody@vale.example" in newest(sales).body.content
    assert "elsewhere" not in newest(sales).body.content


def test_answer_to_all_leaves_the_owner_out(sales: Mailbox, support: Mailbox) -> None:
    third = Recipient("Third", "third@elsewhere.example")
    send(sales, Message(subject="Ask", to=(SUPPORT, third), cc=(SALES,)))
    answer = reply_to(support, newest(support), to_all=True, comment="Yes")
    assert answer.to == (SALES, third)
    assert answer.cc == ()
    assert answer.subject == "RE: Ask"
    assert answer.conversation == newest(support).conversation
    assert answer.in_reply_to == newest(support).internet_message_id
    assert reply_to(support, answer).subject == "RE: Ask"
    assert forward(support, newest(support)).subject == "FW: Ask"


def test_named_properties_travel_and_tagged_ones_stay(sales: Mailbox, support: Mailbox) -> None:
    named = PropertyKey.from_graph("String {66f5a359-4659-4830-9070-00047ec6ac6e} Name Marker")
    tagged = PropertyKey.from_graph("SystemTime 0x3FEF")
    assert tagged == PropertyKey(PropertyType.SYSTEM_TIME, tag=0x3FEF)
    send(sales, Message(subject="x", to=(SUPPORT,), properties={named: "7", tagged: "2026-01-01T00:00:00Z"}))
    assert newest(support).properties == {named: "7"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "String",
        "Nothing 0x1",
        "String {x} Name y",
        "String 0x12345",
        "String {66f5a359-4659-4830-9070-00047ec6ac6e}",
    ],
)
def test_property_that_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(InvalidContent):
        PropertyKey.from_graph(text)


def test_mime_round_trip_keeps_what_matters() -> None:
    original = Message(
        subject="Grüße aus Köln",
        body=Body("<p>Häuser</p>", is_html=True),
        from_=Recipient("Ünal, Sales", "sales@vale.example"),
        sender=Recipient("Ünal, Sales", "sales@vale.example"),
        to=(SUPPORT,),
        internet_message_id="<1@vale.example>",
        references="<0@vale.example>",
        in_reply_to="<0@vale.example>",
        importance="high",
        headers=(("X-Tag", "7"),),
        sent_at=NOW,
        received_at=NOW,
        attachments=[Attachment(b"k" * 16, "plän.pdf", "application/pdf", b"%PDF", NOW)],
    )
    raw = to_mime(original)
    assert message_from_bytes(raw, policy=policy.default)["Subject"] == "Grüße aus Köln"
    read = from_mime(raw, Random(1), NOW)
    for name in (
        "subject",
        "from_",
        "to",
        "internet_message_id",
        "references",
        "in_reply_to",
        "importance",
        "sent_at",
        "headers",
    ):
        assert getattr(read, name) == getattr(original, name), name
    assert read.body.is_html
    assert "Häuser" in read.body.content
    assert read.attachments is not None
    assert (read.attachments[0].name, read.attachments[0].content) == ("plän.pdf", b"%PDF")


@pytest.mark.parametrize("raw", [b"", b"\xff\xfe\x00", b"no headers here"])
def test_what_is_no_mail_is_refused(raw: bytes) -> None:
    with pytest.raises(InvalidContent):
        from_mime(raw, Random(1), NOW)


@pytest.mark.parametrize(
    "raw",
    [
        b"Subject: =?utf-8?b?!!!?=\r\n\r\nx",
        b"From: <<<>>>\r\nTo: ;;;,,\r\nDate: never\r\n\r\n",
        b"Content-Type: multipart/mixed\r\n\r\n--x",
        b"Content-Type: text/plain; charset=nothing\r\nSubject: x\r\n\r\n\xff",
    ],
)
def test_broken_mail_is_read_as_far_as_it_goes(raw: bytes) -> None:
    assert from_mime(raw, Random(1), NOW).sent_at == NOW


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("invoice", True),
        ("INVO*", True),
        ("nvoice", False),
        ('"invoice 17"', True),
        ('"17 invoice"', False),
        ("subject:invoice from:sales", True),
        ("subject:invoice AND from:support", False),
        ("nothing OR invoice", True),
        ("NOT invoice", False),
        ("-nothing invoice", True),
        ("(nothing OR invoice) to:support", True),
        ("hasAttachments:true", False),
        ("received>=2026-11-24", True),
        ("received<2026-11-24", False),
        ("received:2026-11-01..2026-11-30", True),
        ("received:today", True),
        ("sent:11/24/2026", True),
        ("importance:high", True),
        ("size>1", True),
        ("isread:true", False),
        ("body:harbour", True),
        ("participants:support@vale.example", True),
    ],
)
def test_search_understands_words_properties_and_their_combinations(words: str, found: bool) -> None:
    message = Message(
        subject="Invoice 17",
        body=Body("<p>From the harbour</p>", is_html=True),
        from_=SALES,
        to=(SUPPORT,),
        received_at=NOW,
        sent_at=NOW,
        importance="high",
    )
    assert compile_search(words, NOW)(message) is found


@pytest.mark.parametrize(
    "words", ["", "(", ")", "a OR", "NOT", "size:x", "received:x", '"', "(" * 100, "x" * 3000]
)
def test_search_that_cannot_be_read_is_refused(words: str) -> None:
    with pytest.raises(InvalidContent):
        compile_search(words, NOW)


def test_bodies_convert_and_lose_scripts() -> None:
    html = Body(
        "<html><head><style>p{}</style></head><body><p>One &amp; two</p><script>x()</script>"
        "<p onclick='y()'>Three</p></body></html>",
        is_html=True,
    )
    assert to_text(html).split() == ["One", "&", "two", "Three"]
    assert preview(html).startswith("One & two")
    assert "&lt;b&gt;" in to_html(Body("<b>"))
    cleaned = without_scripts(html.content)
    assert "x()" not in cleaned
    assert "y()" not in cleaned
    assert len(preview(Body("x" * 1000))) == 255


def test_equal_seeds_give_equal_mailboxes(sales: Mailbox, support: Mailbox) -> None:
    colleagues = [Recipient("Priya Nair", "priya.nair@harbourvale.example")]
    for mailbox in (sales, support):
        fill(mailbox, Random(5), messages=80, events=20, colleagues=colleagues)
    subjects = [
        [(item.subject, item.received_at) for item in mailbox.all_mail() if isinstance(item, Message)]
        for mailbox in (sales, support)
    ]
    assert subjects[0] == subjects[1]
    assert len(sales.all_mail()) == 80
    kinds = {getattr(item, "kind", "") for item in sales.calendar.items.values()}
    assert kinds == {"singleInstance", "seriesMaster"}
    masters = [item for item in sales.calendar.items.values() if getattr(item, "recurrence", None)]
    assert any(master.exceptions for master in masters)
    assert any(master.cancelled for master in masters)
    assert all(item.received_at <= sales.now() for item in sales.all_mail())


def deferred(at: datetime) -> Message:
    when = {PropertyKey.from_graph("SystemTime 0x3FEF"): at.isoformat()[:19] + "Z"}
    return Message(subject="Later", to=(SUPPORT,), body=Body("Hi"), properties=when)


def test_mail_with_a_time_waits_among_the_drafts_and_leaves_once(
    small_world: Any, sales: Mailbox, support: Mailbox
) -> None:
    draft = create_draft(sales, deferred(NOW + timedelta(hours=1)))
    send(sales, draft)
    with pytest.raises(SubmittedAlready):
        send(sales, draft)

    small_world.clock.at = NOW + timedelta(minutes=59)
    release_due(small_world)
    assert draft.is_draft
    assert draft.folder is sales.well_known("drafts")
    assert not support.well_known("inbox").items

    small_world.clock.at = NOW + timedelta(hours=1)
    release_due(small_world)
    release_due(small_world)
    assert draft.folder is sales.well_known("sentitems")
    assert [item.subject for item in support.well_known("inbox").items.values()] == ["Later"]
    assert newest(support).sent_at == small_world.clock.at


def test_mail_with_a_time_that_has_passed_leaves_at_once(sales: Mailbox, support: Mailbox) -> None:
    send(sales, deferred(NOW - timedelta(seconds=1)))
    assert newest(support).subject == "Later"


@pytest.mark.parametrize("mode", list(DeleteMode))
def test_waiting_mail_that_is_deleted_never_leaves(
    small_world: Any, sales: Mailbox, support: Mailbox, mode: DeleteMode
) -> None:
    send(sales, waiting := deferred(NOW + timedelta(hours=1)))
    sales.delete(waiting, mode)
    small_world.clock.at = NOW + timedelta(hours=2)
    release_due(small_world)
    assert not support.well_known("inbox").items
    assert not small_world.held
