"""What the API shows and takes of mail."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final

from pydantic import AwareDatetime, ConfigDict, Field, StrictBool

from ostiary.core.kernel.mail_address import MailAddress
from ostiary.core.mail.batches import MOST_MESSAGES
from ostiary.core.mail.drafts import (
    MOST_RECIPIENTS,
    Answering,
    AnswerKind,
    MessageChanges,
    MessageContent,
)
from ostiary.core.mail.model import BodyForm, FlagStatus, Importance, WellKnownFolder
from ostiary.core.mail.sends import Delivery
from ostiary.entrypoints.api.shapes import AnswerShape, Line, ObjectId, RequestShape

MOST_BODY_CHARACTERS: Final = 3_000_000
"""With the rest of a request it stays below the 4 MB that Microsoft takes at once."""


class FolderShape(AnswerShape):
    """A mail folder."""

    model_config = ConfigDict(
        from_attributes=True,
        frozen=True,
        json_schema_extra={
            "examples": [
                {
                    "id": "AQMkADAwATM0MDAAMS1hNmQ4LWIwAC4AAAM",
                    "name": "Inbox",
                    "parent_id": None,
                    "well_known": "inbox",
                    "total_count": 312,
                    "unread_count": 14,
                    "child_count": 2,
                }
            ]
        },
    )

    id: str
    name: str
    parent_id: Annotated[str | None, Field(description="Null for a folder at the top level.")]
    well_known: Annotated[
        WellKnownFolder | None, Field(description="Set for the folders that every mailbox has.")
    ]
    total_count: int
    unread_count: int
    child_count: int


class AddressShape(AnswerShape):
    """A person or place that mail can be sent to."""

    address: str
    name: str


_SUMMARY_EXAMPLE: dict[str, Any] = {
    "id": "AAkALgAAAAAAHYQDEapmEc2byACqAC-EWg0A",
    "folder_id": "AQMkADAwATM0MDAAMS1hNmQ4LWIwAC4AAAM",
    "conversation_id": "AAQkADAwATM0MDAAMS1hNmQ4LWIwAi0wMAoAEAA",
    "internet_message_id": "<0f5d2c@harbourvale.example>",
    "subject": "Quarterly figures",
    "sender": {"address": "dana.okafor@harbourvale.example", "name": "Dana Okafor"},
    "to": [{"address": "tom.ellis@harbourvale.example", "name": "Tom Ellis"}],
    "received_at": "2026-11-24T09:12:00Z",
    "sent_at": "2026-11-24T09:11:58Z",
    "is_read": False,
    "is_draft": False,
    "has_attachments": True,
    "importance": "normal",
    "categories": [],
    "preview": "Hello Tom, the figures for the quarter are attached.",
    "version": "CQAAABYAAAA",
    "flag": "none",
}


class MessageSummaryShape(AnswerShape):
    """A message as lists show it."""

    model_config = ConfigDict(
        from_attributes=True, frozen=True, json_schema_extra={"examples": [_SUMMARY_EXAMPLE]}
    )

    id: Annotated[str, Field(description="Opaque and case-sensitive.")]
    folder_id: str
    conversation_id: str | None
    internet_message_id: str | None
    subject: str
    sender: AddressShape | None
    to: list[AddressShape]
    received_at: AwareDatetime | None
    sent_at: AwareDatetime | None
    is_read: bool
    is_draft: bool
    has_attachments: Annotated[bool, Field(description="Pictures inside the text do not count.")]
    importance: Importance
    categories: list[str]
    preview: Annotated[str, Field(description="At most 255 characters of plain text.")]
    version: Annotated[str, Field(description="Changes whenever the message does.")]
    flag: FlagStatus


_ATTACHMENT_EXAMPLE: Final[dict[str, Any]] = {
    "id": "AAkALgAAAAAAHYQDEapmEc2byACqAC-EWg0AEgAQ",
    "name": "figures.xlsx",
    "content_type": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "size_bytes": 18211,
    "is_inline": False,
    "content_id": None,
}


class AttachmentShape(AnswerShape):
    """What is attached, without its bytes."""

    model_config = ConfigDict(
        from_attributes=True, frozen=True, json_schema_extra={"examples": [_ATTACHMENT_EXAMPLE]}
    )

    id: str
    name: str
    content_type: str
    size_bytes: int
    is_inline: bool
    content_id: str | None


class MessageShape(MessageSummaryShape):
    """A whole message."""

    model_config = ConfigDict(
        from_attributes=True,
        frozen=True,
        json_schema_extra={
            "examples": [
                {
                    **_SUMMARY_EXAMPLE,
                    "cc": [],
                    "bcc": [],
                    "reply_to": [],
                    "text": None,
                    "html": "<p>Hello Tom, the figures for the quarter are attached.</p>",
                    "attachments": [_ATTACHMENT_EXAMPLE],
                    "headers": {"Message-ID": ["<0f5d2c@harbourvale.example>"]},
                }
            ]
        },
    )

    cc: list[AddressShape]
    bcc: list[AddressShape]
    reply_to: list[AddressShape]
    text: Annotated[
        str | None, Field(description="The body, when it is plain text or was asked for as text.")
    ]
    html: Annotated[
        str | None,
        Field(
            description="The body, when it is HTML. Written by a stranger: never show it as it is, ask for "
            "`safe-html` instead."
        ),
    ]
    attachments: list[AttachmentShape]
    headers: Annotated[
        Mapping[str, list[str]], Field(description="Internet headers; empty for mail never sent.")
    ]


_ID_EXAMPLES: Final = ("AAkALgAAAAAAHYQDEapmEc2byACqAC-EWg0A", "AAkALgAAAAAAHYQDEapmEc2byACqAC-EWg0B")
_READ_EXAMPLES: Final[list[dict[str, Any]]] = [
    {
        "id": _ID_EXAMPLES[0],
        "message": {
            **_SUMMARY_EXAMPLE,
            "cc": [],
            "bcc": [],
            "reply_to": [],
            "text": "Hello Tom, the figures for the quarter are attached.",
            "html": None,
            "attachments": [_ATTACHMENT_EXAMPLE],
            "headers": {},
        },
        "error": None,
    },
    {
        "id": _ID_EXAMPLES[1],
        "message": None,
        "error": {
            "code": "not_found",
            "detail": "There is no such object in this mailbox.",
            "reason": None,
            "retry_after_seconds": None,
        },
    },
]


class ManyMessages(RequestShape):
    """Which messages, and in which form."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        str_strip_whitespace=True,
        json_schema_extra={"examples": [{"ids": list(_ID_EXAMPLES), "body": "text"}]},
    )

    ids: Annotated[
        list[ObjectId],
        Field(
            min_length=1, max_length=MOST_MESSAGES, description="Of messages of this mailbox, from anywhere."
        ),
    ]
    body: Annotated[
        BodyForm, Field(description="As they were written, or converted by Microsoft to text or HTML.")
    ] = BodyForm.STORED


class NotReadShape(AnswerShape):
    """Why one message could not be read; the same words as in `Problem`."""

    model_config = ConfigDict(
        from_attributes=True, frozen=True, json_schema_extra={"examples": [_READ_EXAMPLES[1]["error"]]}
    )

    code: Annotated[
        str,
        Field(
            description="`not_found`: gone. `batch_full`: ask again with fewer ids. `throttled`, "
            "`temporarily_unavailable`: ask again later. Else Microsoft gives this one in no form that we take."
        ),
    ]
    detail: Annotated[str, Field(description="What happened, for people; may change.")]
    reason: Annotated[str | None, Field(description="Reason id: `ostiary explain {reason}`.")]
    retry_after_seconds: Annotated[int | None, Field(description="How long Microsoft asks us to wait.")]


class ReadShape(AnswerShape):
    """One message of many, or why it could not be read."""

    model_config = ConfigDict(
        from_attributes=True, frozen=True, json_schema_extra={"examples": [*_READ_EXAMPLES]}
    )

    id: Annotated[str, Field(description="The id that was asked for.")]
    message: Annotated[MessageShape | None, Field(description="Null where there is an `error`.")]
    error: Annotated[NotReadShape | None, Field(description="Null where there is a `message`.")]


class ReadManyShape(AnswerShape):
    """Many messages."""

    model_config = ConfigDict(
        from_attributes=True, frozen=True, json_schema_extra={"examples": [{"items": [*_READ_EXAMPLES]}]}
    )

    items: Annotated[list[ReadShape], Field(description="One for each id, in the order of the ids.")]


class FolderNodeShape(FolderShape):
    """A folder in its place in the whole tree."""

    model_config = ConfigDict(
        frozen=True,
        json_schema_extra={
            "examples": [
                {
                    "id": "AQMkADAwATM0MDAAMS1hNmQ4LWIwAC4AAAM",
                    "name": "Alpha",
                    "parent_id": "AQMkADAwATM0MDAAMS1hNmQ4LWIwAC4AAAO",
                    "well_known": None,
                    "total_count": 12,
                    "unread_count": 0,
                    "child_count": 0,
                    "path": ["Projects", "Alpha"],
                }
            ]
        },
    )

    path: Annotated[list[str], Field(description="Names from the top level down to this folder.")]


class FolderTreeShape(AnswerShape):
    """Every mail folder."""

    items: Annotated[list[FolderNodeShape], Field(description="Each folder after its parent.")]


class ThreadShape(AnswerShape):
    """A conversation."""

    items: Annotated[list[MessageSummaryShape], Field(description="Oldest first; at most the newest 200.")]


class SafeHTMLShape(AnswerShape):
    """A body that is safe to show."""

    model_config = ConfigDict(
        from_attributes=True,
        frozen=True,
        json_schema_extra={
            "examples": [
                {
                    "html": "<p>Hello Tom, the figures for the quarter are attached.</p>",
                    "blocked_images_count": 1,
                    "is_cut": False,
                }
            ]
        },
    )

    html: Annotated[
        str,
        Field(
            description="A fragment for a sandboxed frame. It runs nothing and loads nothing; pictures of the "
            "message itself keep `cid:` sources, which you replace by the attachment's bytes."
        ),
    ]
    blocked_images_count: Annotated[
        int, Field(description="Pictures that would have been loaded from elsewhere.")
    ]
    is_cut: Annotated[bool, Field(description="Whether a part of an endless message was left out.")]


Address = Annotated[
    str,
    Field(
        min_length=3,
        max_length=320,
        pattern=r"^[^\s@<>\"(),:;\x00-\x1f\x7f]+@[^\s@<>\"(),:;\x00-\x1f\x7f]+$",
        examples=["tom.ellis@harbourvale.example"],
    ),
]


class RecipientShape(RequestShape):
    """Somebody to send to."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        str_strip_whitespace=True,
        json_schema_extra={"examples": [{"address": "tom.ellis@harbourvale.example", "name": "Tom Ellis"}]},
    )

    address: Address
    name: Annotated[Line, Field(max_length=255)] = ""


Recipients = Annotated[list[RecipientShape] | None, Field(max_length=MOST_RECIPIENTS)]
Body = Annotated[str | None, Field(max_length=MOST_BODY_CHARACTERS)]
_CONTENT_EXAMPLE: Final[dict[str, Any]] = {
    "subject": "Quarterly figures",
    "to": [{"address": "tom.ellis@harbourvale.example", "name": "Tom Ellis"}],
    "html": "<p>Hello Tom, the figures are attached.</p>",
}


class ContentShape(RequestShape):
    """The written part of a message. What is left out stays as it is."""

    subject: Annotated[Line | None, Field(max_length=998)] = None
    to: Recipients = None
    cc: Recipients = None
    bcc: Recipients = None
    reply_to: Recipients = None
    text: Annotated[Body, Field(description="The body as plain text; give it or `html`.")] = None
    html: Annotated[Body, Field(description="The body as HTML; give it or `text`.")] = None
    importance: Importance | None = None

    def content(self) -> MessageContent:
        """Return it as the core takes it; raises InvalidRequest for text and HTML at once."""
        return MessageContent(
            subject=self.subject,
            to=_people(self.to),
            cc=_people(self.cc),
            bcc=_people(self.bcc),
            reply_to=_people(self.reply_to),
            text=self.text,
            html=self.html,
            importance=self.importance,
        )


class AnsweringShape(RequestShape):
    """The message that is answered."""

    message_id: ObjectId
    kind: AnswerKind


class NewDraft(ContentShape):
    """A draft to write."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        str_strip_whitespace=True,
        json_schema_extra={"examples": [_CONTENT_EXAMPLE]},
    )

    answers: Annotated[
        AnsweringShape | None,
        Field(
            description="Microsoft then addresses, threads and quotes it; recipients and subject that you give "
            "replace its own."
        ),
    ] = None

    def answering(self) -> Answering | None:
        """Return what is answered."""
        return None if self.answers is None else Answering(self.answers.message_id, self.answers.kind)


SendAt = Annotated[
    AwareDatetime | None,
    Field(description="Microsoft holds the message until then; within the next 365 days."),
]


class NewMail(NewDraft):
    """A message to send."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        str_strip_whitespace=True,
        json_schema_extra={
            "examples": [
                _CONTENT_EXAMPLE,
                {
                    "text": "Thank you, Tom.",
                    "answers": {"message_id": "AAkALgAAAAAAHYQDEapmEc2byACqAC-EWg0A", "kind": "reply"},
                },
            ]
        },
    )

    send_at: SendAt = None


class SendDraft(RequestShape):
    """How to send a draft."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        str_strip_whitespace=True,
        json_schema_extra={"examples": [{"send_at": "2026-11-25T08:00:00Z"}, {}]},
    )

    send_at: SendAt = None


class SentShape(AnswerShape):
    """What became of a message. Sent means taken by Microsoft; whether it arrives, a bounce would tell."""

    model_config = ConfigDict(
        from_attributes=True,
        frozen=True,
        json_schema_extra={
            "examples": [
                {
                    "delivery": "sent",
                    "message_id": "AAkALgAAAAAAHYQDEapmEc2byACqAC-EWg0A",
                    "internet_message_id": "<0f5d2c@harbourvale.example>",
                    "deliver_at": None,
                }
            ]
        },
    )

    delivery: Delivery
    message_id: Annotated[str | None, Field(description="Of the copy in Sent Items; null over EWS.")]
    internet_message_id: Annotated[
        str | None, Field(description="`Message-ID` of the mail, where Microsoft gave the draft one.")
    ]
    deliver_at: AwareDatetime | None


class MessageChange(ContentShape):
    """What to change of a message; content only while it is a draft."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        str_strip_whitespace=True,
        json_schema_extra={"examples": [{"is_read": True, "flag": "flagged", "categories": ["Customers"]}]},
    )

    is_read: StrictBool | None = None
    flag: FlagStatus | None = None
    categories: Annotated[
        list[Annotated[Line, Field(min_length=1, max_length=255)]] | None,
        Field(max_length=25, description="All of them; an empty list takes every one off."),
    ] = None

    def changes(self) -> MessageChanges:
        """Return it as the core takes it."""
        return MessageChanges(
            content=self.content(),
            is_read=self.is_read,
            flag=self.flag,
            categories=None if self.categories is None else tuple(self.categories),
        )


class Destination(RequestShape):
    """Where a message goes."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        str_strip_whitespace=True,
        json_schema_extra={"examples": [{"folder": "archive"}]},
    )

    folder: Annotated[ObjectId, Field(description="A folder's id, or one of the well-known names.")]


def _people(given: list[RecipientShape] | None) -> tuple[MailAddress, ...] | None:
    return None if given is None else tuple(MailAddress(each.address, each.name) for each in given)
