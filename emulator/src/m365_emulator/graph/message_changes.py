"""Writing messages: drafts, changes, moves, copies, deletions."""

from __future__ import annotations

import base64
import binascii
from typing import Any

from m365_emulator.world.mailbox import DeleteMode, Folder, Message
from m365_emulator.world.mailbox.drafting import create_draft
from m365_emulator.world.mailbox.mime import from_mime

from .access import MAIL_ADVANCED, MAIL_WRITE, allows
from .call import Call, Reply
from .errors import GraphError, access_denied, bad_request
from .folders import folder_of
from .inputs.messages import DRAFT_ONLY, build_message, read_message
from .inputs.values import member, text_of
from .messages import message_of, message_reply
from .operations import Operations

operations = Operations()


@operations.post("/{mailbox}/messages", MAIL_WRITE)
def create(call: Call) -> Reply:
    """Create a draft in Drafts, from JSON or from MIME in base64."""
    return _create(call, None)


@operations.post("/{mailbox}/mailFolders/{folder}/messages", MAIL_WRITE)
def create_in_folder(call: Call) -> Reply:
    """Create a draft in a folder."""
    return _create(call, folder_of(call, call.arguments["folder"]))


@operations.patch("/{mailbox}/messages/{message}", MAIL_WRITE)
def update(call: Call) -> Reply:
    """Change a message; most properties only while it is a draft."""
    message = message_of(call)
    check_if_match(call, message)
    values = read_message(call.json())
    values.pop("attachments", None)
    values.pop("headers", None)
    touches_content = not message.is_draft and not DRAFT_ONLY.isdisjoint(values)
    is_own = call.target is not None and call.target.is_own
    if touches_content and not allows(call.token, MAIL_ADVANCED, is_own=is_own):
        raise access_denied()
    if "properties" in values:
        values["properties"] = {**(message.properties or {}), **values["properties"]}
    if values:
        call.mailbox.update(message, values)
    return message_reply(call, message)


@operations.delete("/{mailbox}/messages/{message}", MAIL_WRITE)
def delete(call: Call) -> Reply:
    """Delete a message: to Deleted Items, from there to Recoverable Items."""
    message = message_of(call)
    check_if_match(call, message)
    call.mailbox.delete(message, DeleteMode.TO_DELETED_ITEMS)
    return Reply(204)


@operations.post("/{mailbox}/messages/{message}/permanentDelete", MAIL_WRITE)
def delete_for_good(call: Call) -> Reply:
    """Delete a message beyond the owner's reach."""
    call.mailbox.delete(message_of(call), DeleteMode.PURGE)
    return Reply(204)


@operations.post("/{mailbox}/messages/{message}/move", MAIL_WRITE)
def move(call: Call) -> Reply:
    """Move a message; its immutable id stays, the other ids change."""
    message = message_of(call)
    call.mailbox.move(message, destination_of(call))
    return message_reply(call, message, 201)


@operations.post("/{mailbox}/messages/{message}/copy", MAIL_WRITE)
def copy(call: Call) -> Reply:
    """Copy a message."""
    twin = call.mailbox.copy(message_of(call), destination_of(call))
    if not isinstance(twin, Message):
        raise bad_request("Only messages can be copied here.")
    return message_reply(call, twin, 201)


def destination_of(call: Call) -> Folder:
    """Return the folder a body names as its destination."""
    name = text_of(member(call.json(), "destinationId"), "destinationId", limit=1000)
    if not name:
        raise bad_request("The parameter 'DestinationId' is missing.", "ErrorInvalidRequest")
    return folder_of(call, name)


def check_if_match(call: Call, item: Any) -> None:
    """Raise GraphError 412 if If-Match names another state than the current one."""
    wanted = call.if_match()
    if wanted is not None and wanted != call.mailbox.change_key_of(item):
        raise GraphError(
            412,
            "ErrorIrresolvableConflict",
            "The send or update operation could not be performed because the change key passed in the request does not "
            "match the current change key for the item.",
        )


def is_mime(call: Call) -> bool:
    """Return whether the body is MIME in base64 instead of JSON."""
    return call.headers.get("content-type", "").partition(";")[0].strip().lower() == "text/plain"


def message_from_mime(call: Call) -> Message:
    """Return an unsaved message made of a MIME body; raises GraphError for broken base64, InvalidContent for no mail."""
    try:
        raw = base64.b64decode(b"".join(call.content.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise GraphError(
            400, "ErrorMimeContentInvalidBase64String", "Invalid base64 string for MIME content."
        ) from error
    return from_mime(raw, call.mailbox.rng, call.mailbox.now())


def _create(call: Call, folder: Folder | None) -> Reply:
    message = message_from_mime(call) if is_mime(call) else build_message(call.mailbox, call.json())
    create_draft(call.mailbox, message, folder)
    return message_reply(call, message, 201)
