"""Our drafts and changes as Graph's message."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable
from datetime import UTC
from typing import Any, Final

from ostiary.adapters.graph.codec.json_shape import JSONObject
from ostiary.adapters.graph.codec.mail import FLAG_WORDS
from ostiary.core.kernel.mail_address import MailAddress
from ostiary.core.mail.drafts import MessageChanges, MessageContent, Posting

STAMP_PROPERTY: Final = "String {6f1c9d0a-3b7e-4c52-9a61-2e8d5f704b13} Name OstiarySend"
"""A named property of our own: names one act of sending (graph.md §7). The same one over EWS."""
_DEFERRED: Final = "SystemTime 0x3FEF"
"""PidTagDeferredSendTime: Exchange holds the message until then (graph.md §7)."""
_BODY_TAG: Final = re.compile(r"<body\b[^>]*>", re.IGNORECASE)


def content_json(content: MessageContent) -> JSONObject:
    """Return the properties that were given."""
    entity: JSONObject = {}
    if content.subject is not None:
        entity["subject"] = content.subject
    if (body := body_json(content)) is not None:
        entity["body"] = body
    for name, people in (
        ("toRecipients", content.to),
        ("ccRecipients", content.cc),
        ("bccRecipients", content.bcc),
        ("replyTo", content.reply_to),
    ):
        if people is not None:
            entity[name] = _people(people)
    if content.importance is not None:
        entity["importance"] = content.importance.value
    return entity


def body_json(content: MessageContent) -> JSONObject | None:
    """Return the body, or None where none was given."""
    if content.html is not None:
        return {"contentType": "html", "content": content.html}
    if content.text is not None:
        return {"contentType": "text", "content": content.text}
    return None


def changes_json(changes: MessageChanges) -> JSONObject:
    """Return what a PATCH sends."""
    entity = content_json(changes.content)
    if changes.is_read is not None:
        entity["isRead"] = changes.is_read
    if changes.flag is not None:
        entity["flag"] = {"flagStatus": FLAG_WORDS[changes.flag]}
    if changes.categories is not None:
        entity["categories"] = list(changes.categories)
    return entity


def posting_json(posting: Posting) -> JSONObject:
    """Return the extended properties that mark a draft for sending."""
    properties: list[dict[str, Any]] = [{"id": STAMP_PROPERTY, "value": posting.stamp}]
    if posting.deliver_at is not None:
        moment = posting.deliver_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        properties.append({"id": _DEFERRED, "value": moment})
    return {"singleValueExtendedProperties": properties}


def above_quote(content: MessageContent, quoted: JSONObject) -> JSONObject | None:
    """Return the body of an answer: what was written, above the original that Microsoft quoted.

    Graph's own ``comment`` takes plain text only and loses its line breaks, so the body is put together here; the
    page on createReply says that the draft's body may be updated.

    Args:
        quoted: The ``body`` of the draft that Microsoft made.
    """
    if content.text is None and content.html is None:
        return None
    original = str(quoted.get("content") or "")
    original_is_html = str(quoted.get("contentType") or "").lower() == "html"
    if content.text is not None and not original_is_html:
        return {"contentType": "text", "content": f"{content.text}\n\n{original}"}
    written = content.html if content.html is not None else _as_html(content.text or "")
    if not original_is_html:
        return {"contentType": "html", "content": f"{written}<br>{_as_html(original)}"}
    match = _BODY_TAG.search(original)
    position = match.end() if match else 0
    return {
        "contentType": "html",
        "content": f"{original[:position]}<div>{written}</div><br>{original[position:]}",
    }


def _as_html(text: str) -> str:
    return "<br>\n".join(html.escape(line, quote=False) for line in text.splitlines())


def _people(people: Iterable[MailAddress]) -> list[JSONObject]:
    return [
        {"emailAddress": {"address": who.address, **({"name": who.name} if who.name else {})}}
        for who in people
    ]
