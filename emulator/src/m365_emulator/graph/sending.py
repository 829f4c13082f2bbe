"""Sending, answering and passing on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from m365_emulator.world.mailbox import Body, Message
from m365_emulator.world.mailbox.delivery import send
from m365_emulator.world.mailbox.drafting import create_draft, forward, reply_to

from .access import MAIL_SEND, MAIL_WRITE
from .call import Call, Reply
from .errors import GraphError, bad_request
from .inputs.messages import build_attachment, build_message, read_message
from .inputs.values import member, object_of, recipients_of, text_of, truth_of
from .message_changes import is_mime, message_from_mime
from .messages import message_of, message_reply
from .operations import Operations

operations = Operations()


@operations.post("/{mailbox}/sendMail", MAIL_SEND)
def send_mail(call: Call) -> Reply:
    """Send a message made of JSON or MIME."""
    if is_mime(call):
        message, save = message_from_mime(call), True
    else:
        body = call.json()
        given = member(body, "message")
        if given is None:
            raise bad_request("The parameter 'Message' is missing.", "ErrorInvalidParameter")
        message = build_message(call.mailbox, object_of(given, "message"))
        wish = member(body, "saveToSentItems")
        save = truth_of(wish, "saveToSentItems") if wish is not None else True
    send(call.mailbox, message, save_copy=save)
    return Reply(202)


@operations.post("/{mailbox}/messages/{message}/send", MAIL_SEND)
def send_draft(call: Call) -> Reply:
    """Send a draft; the sent copy keeps its immutable id."""
    message = message_of(call)
    if not message.is_draft:
        raise GraphError(400, "ErrorInvalidRequest", "The message has been sent already.")
    send(call.mailbox, message)
    return Reply(202)


@operations.post("/{mailbox}/messages/{message}/reply", MAIL_SEND)
def reply(call: Call) -> Reply:
    """Answer the sender."""
    return _send(call, lambda original, text: reply_to(call.mailbox, original, comment=text))


@operations.post("/{mailbox}/messages/{message}/replyAll", MAIL_SEND)
def reply_all(call: Call) -> Reply:
    """Answer everyone."""
    return _send(call, lambda original, text: reply_to(call.mailbox, original, to_all=True, comment=text))


@operations.post("/{mailbox}/messages/{message}/forward", MAIL_SEND)
def forward_message(call: Call) -> Reply:
    """Pass a message on."""
    return _send(
        call, lambda original, text: forward(call.mailbox, original, _recipients(call), comment=text)
    )


@operations.post("/{mailbox}/messages/{message}/createReply", MAIL_WRITE)
def create_reply(call: Call) -> Reply:
    """Create a draft that answers the sender."""
    return _draft(call, lambda original, text: reply_to(call.mailbox, original, comment=text))


@operations.post("/{mailbox}/messages/{message}/createReplyAll", MAIL_WRITE)
def create_reply_all(call: Call) -> Reply:
    """Create a draft that answers everyone."""
    return _draft(call, lambda original, text: reply_to(call.mailbox, original, to_all=True, comment=text))


@operations.post("/{mailbox}/messages/{message}/createForward", MAIL_WRITE)
def create_forward(call: Call) -> Reply:
    """Create a draft that passes a message on."""
    return _draft(
        call, lambda original, text: forward(call.mailbox, original, _recipients(call), comment=text)
    )


Maker = Callable[[Message, "str | Body"], Message]


def _recipients(call: Call) -> Any:
    return recipients_of(member(call.json(), "toRecipients"), "toRecipients")


def _make(call: Call, make: Maker) -> Message:
    original = message_of(call)
    if is_mime(call):
        answer = make(original, "")
        written = message_from_mime(call)
        answer.body, answer.attachments = written.body, written.attachments
        answer.headers = written.headers
        if written.recipients:
            answer.to, answer.cc, answer.bcc = written.to, written.cc, written.bcc
        return answer
    body = call.json()
    comment = text_of(member(body, "comment"), "comment")
    given = member(body, "message")
    values = read_message(object_of(given, "message")) if given is not None else {}
    if comment and "body" in values:
        raise GraphError(
            400,
            "ErrorInvalidRequest",
            "Either the comment or the body of the message can be given, not both.",
        )
    attachments = values.pop("attachments", None)
    answer = make(original, values.pop("body", comment))
    for name, value in values.items():
        setattr(answer, name, value)
    if attachments:
        answer.attachments = [
            *(answer.attachments or ()),
            *(build_attachment(call.mailbox, one) for one in attachments),
        ]
    return answer


def _send(call: Call, make: Maker) -> Reply:
    send(call.mailbox, _make(call, make))
    return Reply(202)


def _draft(call: Call, make: Maker) -> Reply:
    draft = create_draft(call.mailbox, _make(call, make))
    return message_reply(call, draft, 201)
