"""Messages as RFC 822 text, both ways."""

from __future__ import annotations

from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.headerregistry import Address
from email.message import EmailMessage, MIMEPart
from email.utils import format_datetime, formataddr, getaddresses, parsedate_to_datetime
from random import Random

from .bodies import to_text
from .errors import InvalidContent
from .item import Attachment, Body, Recipient
from .message import Message

_MAIL = policy.default.clone(max_line_length=200, linesep="\r\n")
_IMPORTANCE = {"1": "high", "2": "high", "4": "low", "5": "low", "high": "high", "low": "low"}
_OWN_HEADERS = frozenset(
    {
        "from", "sender", "to", "cc", "bcc", "reply-to", "subject", "date", "message-id", "in-reply-to", "references",
        "importance", "x-priority", "mime-version", "content-type", "content-transfer-encoding", "content-disposition",
        "content-id", "content-language", "disposition-notification-to", "return-receipt-to",
    }
)  # fmt: skip


def headers_of(message: Message) -> list[tuple[str, str]]:
    """Return the internet headers of a message, in the order they would travel."""
    found: list[tuple[str, str]] = []
    if not message.is_draft and message.from_ is not None:
        domain = message.from_.address.rpartition("@")[2]
        found.append(
            ("Received", f"from mail.{domain} by mail.{domain}; {format_datetime(message.received_at)}")
        )
    for name, people in (
        ("From", (message.from_,) if message.from_ else ()),
        ("Sender", (message.sender,) if message.sender and message.sender != message.from_ else ()),
        ("To", message.to),
        ("CC", message.cc),
        ("Reply-To", message.reply_to),
    ):
        if people:
            found.append((name, ", ".join(_header_address(one) for one in people)))
    found.append(("Subject", _one_line(message.subject)))
    found.append(("Date", format_datetime(message.sent_at)))
    for name, value in (
        ("Message-ID", message.internet_message_id),
        ("In-Reply-To", message.in_reply_to),
        ("References", message.references),
    ):
        if value:
            found.append((name, value))
    if message.importance != "normal":
        found.append(("Importance", message.importance))
    found.extend(message.headers)
    return found


def to_mime(message: Message) -> bytes:
    """Return a message as RFC 822 bytes."""
    mail = EmailMessage(policy=_MAIL)
    for name, value in headers_of(message):
        if name.lower() in ("subject", "received") or name.lower() not in _OWN_HEADERS:
            mail[name] = _one_line(value)
        elif name.lower() in ("from", "sender", "to", "cc", "reply-to"):
            mail[name] = _addresses(message, name)
        else:
            mail[name] = value
    if message.bcc and message.is_draft:
        mail["Bcc"] = [_address(one) for one in message.bcc]
    if message.body.is_html:
        mail.set_content(to_text(message.body))
        mail.add_alternative(message.body.content, subtype="html")
    else:
        mail.set_content(message.body.content)
    for part in message.attachments or ():
        _attach(mail, part)
    return mail.as_bytes()


def from_mime(raw: bytes, rng: Random, now: datetime) -> Message:
    """Return an unsaved message read from RFC 822 bytes.

    Raises:
        InvalidContent: The bytes are no mail.
    """
    mail = message_from_bytes(raw, policy=policy.default)
    if not mail.keys():
        raise InvalidContent("The MIME content cannot be read.", "MimeContent")
    senders = _people(mail, "from")
    message = Message(
        subject=_text(mail, "subject"),
        body=_body(mail),
        from_=senders[0] if senders else None,
        sender=next(iter(_people(mail, "sender")), senders[0] if senders else None),
        to=_people(mail, "to"),
        cc=_people(mail, "cc"),
        bcc=_people(mail, "bcc"),
        reply_to=_people(mail, "reply-to"),
        internet_message_id=_text(mail, "message-id").strip(),
        in_reply_to=_text(mail, "in-reply-to").strip(),
        references=" ".join(_text(mail, "references").split()),
        importance=_IMPORTANCE.get(
            (_text(mail, "importance") or _text(mail, "x-priority")[:1]).lower(), "normal"
        ),
        sent_at=_date(mail) or now,
        received_at=_date(mail) or now,
        headers=tuple(
            (name, str(value))
            for name, value in mail.items()
            if name.lower().startswith("x-") and name.lower() not in _OWN_HEADERS
        ),
        read_receipt_requested="disposition-notification-to" in mail,
        delivery_receipt_requested="return-receipt-to" in mail,
    )
    message.attachments = _attachments(mail, rng, now) or None
    return message


def _addresses(message: Message, name: str) -> list[Address]:
    people = {
        "from": (message.from_,),
        "sender": (message.sender,),
        "to": message.to,
        "cc": message.cc,
        "reply-to": message.reply_to,
    }[name.lower()]
    return [_address(one) for one in people if one is not None]


def _address(person: Recipient) -> Address:
    local, _, domain = person.address.rpartition("@")
    return Address(_one_line(person.name), local or person.address, domain)


def _header_address(person: Recipient) -> str:
    return formataddr((person.name, person.address)) if person.name else person.address


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _attach(mail: EmailMessage, part: Attachment) -> None:
    main, _, sub = (part.content_type or "application/octet-stream").partition("/")
    sub = sub.partition(";")[0].strip() or "octet-stream"
    if main in ("message", "multipart"):
        main, sub = "application", "octet-stream"
    mail.add_attachment(
        part.content,
        maintype=main,
        subtype=sub,
        filename=part.name,
        disposition="inline" if part.is_inline else "attachment",
        cid=f"<{part.content_id}>" if part.content_id else None,
    )


def _text(mail: MIMEPart, name: str) -> str:
    try:
        return str(mail.get(name, "") or "")
    except (ValueError, IndexError, AttributeError):  # the header parser gives up on some broken headers
        return ""


def _people(mail: EmailMessage, name: str) -> tuple[Recipient, ...]:
    values = [str(value) for value in mail.get_all(name, [])]
    return tuple(Recipient(display, address) for display, address in getaddresses(values) if "@" in address)


def _date(mail: EmailMessage) -> datetime | None:
    try:
        at = parsedate_to_datetime(_text(mail, "date"))
    except (ValueError, TypeError):
        return None
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC).replace(microsecond=0)


def _body(mail: EmailMessage) -> Body:
    part = mail.get_body(("html", "plain"))
    if part is None:
        return Body()
    return Body(_content(part), is_html=part.get_content_subtype() == "html")


def _content(part: MIMEPart) -> str:
    try:
        return str(part.get_content())
    except (LookupError, KeyError, UnicodeError):
        raw = part.get_payload(decode=True)
        return raw.decode("utf-8", "replace") if isinstance(raw, bytes) else ""


def _attachments(mail: EmailMessage, rng: Random, now: datetime) -> list[Attachment]:
    found: list[Attachment] = []
    for number, part in enumerate(mail.iter_attachments() if mail.is_multipart() else ()):
        payload = part.get_payload(decode=True)
        content = payload if isinstance(payload, bytes) else part.as_bytes()
        content_id = _text(part, "content-id").strip().strip("<>") or None
        found.append(
            Attachment(
                rng.randbytes(16),
                part.get_filename() or f"attachment-{number + 1}",
                part.get_content_type(),
                content,
                now,
                is_inline=part.get_content_disposition() == "inline" or content_id is not None,
                content_id=content_id,
            )
        )
    return found
