"""Our drafts and changes as Exchange's message. The order of elements is that of Microsoft's schema."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC
from typing import Final

from ostiary.adapters.ews.codec.mail import FLAG_WORDS
from ostiary.adapters.ews.soap import element_text
from ostiary.core.kernel.mail_address import MailAddress
from ostiary.core.mail.drafts import AnswerKind, MessageChanges, MessageContent, Posting

STAMP_PATH: Final = (
    '<t:ExtendedFieldURI PropertySetId="6f1c9d0a-3b7e-4c52-9a61-2e8d5f704b13" PropertyName="OstiarySend" '
    'PropertyType="String"/>'
)
"""A named property of our own: names one act of sending (ews.md §6). The same one over Graph."""
_DEFERRED_PATH: Final = '<t:ExtendedFieldURI PropertyTag="0x3FEF" PropertyType="SystemTime"/>'
"""PidTagDeferredSendTime: Exchange holds the message until then (graph.md §7)."""

ANSWER_ELEMENTS: Final = {
    AnswerKind.REPLY: "ReplyToItem",
    AnswerKind.REPLY_ALL: "ReplyAllToItem",
    AnswerKind.FORWARD: "ForwardItem",
}


def message_xml(content: MessageContent, posting: Posting | None) -> str:
    """Return a new ``Message`` for CreateItem.

    Source: EWS Message element; MS-OXWSCORE ItemType, MS-OXWSMSG MessageType.
    """
    importance = content.importance
    return (
        "<t:Message>"
        f"<t:Subject>{element_text(content.subject or '')}</t:Subject>"
        f"{_body('Body', content)}"
        f"{f'<t:Importance>{importance.value.capitalize()}</t:Importance>' if importance else ''}"
        f"{''.join(_properties(posting)) if posting else ''}"
        f"{_people('ToRecipients', content.to)}{_people('CcRecipients', content.cc)}"
        f"{_people('BccRecipients', content.bcc)}"
        "<t:IsRead>true</t:IsRead>"
        f"{_people('ReplyTo', content.reply_to)}"
        "</t:Message>"
    )


def answer_xml(kind: AnswerKind, reference: str, content: MessageContent) -> str:
    """Return the response object that makes a threaded, quoted answer.

    Args:
        reference: The attributes of ``ReferenceItemId``.

    Source: EWS ReplyToItem, ReplyAllToItem, ForwardItem; MS-OXWSCORE SmartResponseType.
    """
    name = ANSWER_ELEMENTS[kind]
    subject = f"<t:Subject>{element_text(content.subject)}</t:Subject>" if content.subject is not None else ""
    return (
        f"<t:{name}>{subject}"
        f"{_people('ToRecipients', content.to)}{_people('CcRecipients', content.cc)}"
        f"{_people('BccRecipients', content.bcc)}"
        f"<t:ReferenceItemId {reference}/>{_body('NewBodyContent', content)}</t:{name}>"
    )


def updates_xml(changes: MessageChanges, posting: Posting | None = None) -> str:
    """Return the ``Updates`` of an UpdateItem; empty when nothing changes.

    Source: EWS UpdateItem operation: one property in each SetItemField.
    """
    content = changes.content
    parts: list[str] = []
    if content.subject is not None:
        parts.append(_set("item:Subject", f"<t:Subject>{element_text(content.subject)}</t:Subject>"))
    if body := _body("Body", content):
        parts.append(_set("item:Body", body))
    if changes.categories is not None:
        parts.append(_categories(changes.categories))
    if content.importance is not None:
        word = content.importance.value.capitalize()
        parts.append(_set("item:Importance", f"<t:Importance>{word}</t:Importance>"))
    if changes.flag is not None:
        status = f"<t:FlagStatus>{FLAG_WORDS[changes.flag]}</t:FlagStatus>"
        parts.append(_set("item:Flag", f"<t:Flag>{status}</t:Flag>"))
    for name, people in (
        ("ToRecipients", content.to),
        ("CcRecipients", content.cc),
        ("BccRecipients", content.bcc),
        ("ReplyTo", content.reply_to),
    ):
        if people is not None:
            uri = f"message:{name}"
            parts.append(_set(uri, _people(name, people)) if people else _delete(uri))
    if changes.is_read is not None:
        parts.append(_set("message:IsRead", f"<t:IsRead>{str(changes.is_read).lower()}</t:IsRead>"))
    if posting is not None:
        parts += [
            f"<t:SetItemField>{path}<t:Message>{element}</t:Message></t:SetItemField>"
            for path, element in zip((STAMP_PATH, _DEFERRED_PATH), _properties(posting), strict=False)
        ]
    return f"<t:Updates>{''.join(parts)}</t:Updates>" if parts else ""


def beside_the_answer(content: MessageContent) -> MessageContent:
    """Return what a response object cannot carry and has to be changed afterwards."""
    return MessageContent(
        reply_to=content.reply_to,
        importance=content.importance,
        # In a response object an empty list means the proposal; here it means nobody.
        to=content.to if content.to == () else None,
        cc=content.cc if content.cc == () else None,
        bcc=None,
    )


def _properties(posting: Posting) -> Iterator[str]:
    yield _property(STAMP_PATH, posting.stamp)
    if posting.deliver_at is not None:
        yield _property(_DEFERRED_PATH, posting.deliver_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))


def _property(path: str, value: str) -> str:
    return f"<t:ExtendedProperty>{path}<t:Value>{element_text(value)}</t:Value></t:ExtendedProperty>"


def _body(name: str, content: MessageContent) -> str:
    if content.html is not None:
        return f'<t:{name} BodyType="HTML">{element_text(content.html)}</t:{name}>'
    if content.text is not None:
        return f'<t:{name} BodyType="Text">{element_text(content.text)}</t:{name}>'
    return ""


def _people(name: str, people: Iterable[MailAddress] | None) -> str:
    mailboxes = "".join(
        f"<t:Mailbox>{f'<t:Name>{element_text(who.name)}</t:Name>' if who.name else ''}"
        f"<t:EmailAddress>{element_text(who.address)}</t:EmailAddress></t:Mailbox>"
        for who in people or ()
    )
    return f"<t:{name}>{mailboxes}</t:{name}>" if mailboxes else ""


def _categories(categories: tuple[str, ...]) -> str:
    if not categories:
        return _delete("item:Categories")
    strings = "".join(f"<t:String>{element_text(each)}</t:String>" for each in categories)
    return _set("item:Categories", f"<t:Categories>{strings}</t:Categories>")


def _set(uri: str, element: str) -> str:
    return f'<t:SetItemField><t:FieldURI FieldURI="{uri}"/><t:Message>{element}</t:Message></t:SetItemField>'


def _delete(uri: str) -> str:
    return f'<t:DeleteItemField><t:FieldURI FieldURI="{uri}"/></t:DeleteItemField>'
