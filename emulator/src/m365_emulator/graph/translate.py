"""translateExchangeIds."""

from __future__ import annotations

from typing import Any

from m365_emulator.world.mailbox import IdFormat, Mailbox
from m365_emulator.world.mailbox.errors import MailboxError, MalformedId

from .access import TRANSLATE
from .call import Call, Reply
from .errors import bad_request
from .inputs.values import choice_of, list_of, member, text_of
from .operations import Operations

operations = Operations()
MAX_IDS = 1000
"""Source: Graph, translateExchangeIds."""


@operations.post("/{mailbox}/translateExchangeIds", TRANSLATE)
def translate(call: Call) -> Reply:
    """Rewrite ids of this mailbox from one format into another, each with a result of its own."""
    body = call.json()
    ids = list_of(member(body, "InputIds"), "InputIds")
    if not ids:
        raise bad_request("The parameter 'InputIds' is missing.", "ErrorInvalidParameter")
    if len(ids) > MAX_IDS:
        raise bad_request(f"At most {MAX_IDS} ids can be translated in one request.", "ErrorInvalidParameter")
    formats = tuple(IdFormat)
    source = IdFormat(choice_of(member(body, "SourceIdType"), "SourceIdType", formats))
    target = IdFormat(choice_of(member(body, "TargetIdType"), "TargetIdType", formats))
    value = [_translate(call.mailbox, text_of(one, "InputIds", limit=2000), source, target) for one in ids]
    return Reply(
        json={
            "@odata.context": f"{call.root}/$metadata#Collection(microsoft.graph.convertIdResult)",
            "value": value,
        }
    )


def _translate(mailbox: Mailbox, text: str, source: IdFormat, target: IdFormat) -> dict[str, Any]:
    try:
        key = mailbox.ids.read(text, source)
        if key.is_folder:
            folder = mailbox.resolve_folder(key)
            return {"sourceId": text, "targetId": mailbox.folder_id(folder, target)}
        item = mailbox.resolve(key)
        attachment = item.attachment(key.attachment) if key.attachment else None
        return {"sourceId": text, "targetId": mailbox.ids.write(mailbox.key_of(item, attachment), target)}
    except MalformedId:
        return _failed(text, "ErrorInvalidIdMalformed", "Id is malformed.")
    except MailboxError:
        return _failed(text, "ErrorItemNotFound", "The specified object was not found in the store.")


def _failed(text: str, code: str, message: str) -> dict[str, Any]:
    return {"sourceId": text, "errorDetails": {"code": code, "message": message}}
