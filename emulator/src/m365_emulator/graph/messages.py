"""Reading messages: lists, single ones, MIME."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from m365_emulator.world.mailbox import Folder, Item, Message
from m365_emulator.world.mailbox.mime import to_mime
from m365_emulator.world.mailbox.search import compile_search

from .access import MAIL_READ, MAIL_READ_BASIC
from .call import Call, Reply
from .errors import not_found
from .events import event_reply
from .expansions import expanders
from .folders import folder_of
from .getters import message_listing
from .odata.listing import page_json, select_page
from .operations import Operations
from .shapes.messages import MESSAGE, message_json

operations = Operations()


@operations.get("/{mailbox}/messages", MAIL_READ_BASIC, basic=MAIL_READ)
def list_all(call: Call) -> Reply:
    """List the messages of all folders, newest first."""
    return _list(call, call.mailbox.all_mail(), "messages")


@operations.get("/{mailbox}/mailFolders/{folder}/messages", MAIL_READ_BASIC, basic=MAIL_READ)
def list_in_folder(call: Call) -> Reply:
    """List the messages of one folder, newest first."""
    folder = folder_of(call, call.arguments["folder"])
    return _list(call, newest_first(folder), f"mailFolders('{call.arguments['folder']}')/messages")


@operations.get("/{mailbox}/messages/$count", MAIL_READ_BASIC)
def count_all(call: Call) -> Reply:
    """Count the messages of all folders."""
    return count_reply(call, call.mailbox.all_mail())


@operations.get("/{mailbox}/mailFolders/{folder}/messages/$count", MAIL_READ_BASIC)
def count_in_folder(call: Call) -> Reply:
    """Count the messages of one folder."""
    return count_reply(call, newest_first(folder_of(call, call.arguments["folder"])))


@operations.get("/{mailbox}/messages/{message}", MAIL_READ_BASIC, basic=MAIL_READ)
def get(call: Call) -> Reply:
    """Return one message."""
    return message_reply(call, message_of(call))


@operations.get("/{mailbox}/messages/{message}/$value", MAIL_READ)
def get_mime(call: Call) -> Reply:
    """Return one message as MIME."""
    return Reply(content=to_mime(message_of(call)), content_type="text/plain")


@operations.get("/{mailbox}/messages/{message}/event", MAIL_READ)
def get_event(call: Call) -> Reply:
    """Return the event a meeting message is about."""
    message = message_of(call)
    identity = message.meeting.event_identity if message.meeting else None
    event = call.mailbox.find_item(identity) if identity is not None else None
    if event is None:
        raise not_found()
    return event_reply(call, event)


def message_of(call: Call, name: str = "message") -> Message:
    """Return the message a path names; raises ItemNotFound or MalformedId."""
    item = call.mailbox.resolve(call.key(name))
    if not isinstance(item, Message):
        raise not_found()
    return item


def message_reply(call: Call, message: Message, status: int = 200) -> Reply:
    """Return one message as an answer."""
    chosen = MESSAGE.selection(call)
    expanding = expanders(call)
    body: dict[str, Any] = {"@odata.context": f"{call.context('messages')}/$entity"}
    body |= message_json(call, message, chosen)
    for expand in expanding:
        expand(message, body)
    return Reply(status, body, headers={"ETag": body["@odata.etag"]})


def newest_first(folder: Folder) -> list[Item]:
    """Return the messages of a folder in the order Graph lists them."""
    return folder.newest_first("received", _received, Message)


def _received(item: Item) -> Any:
    at = item.received_at if isinstance(item, Message) else item.created_at
    return (at, item.identity)


def count_reply(call: Call, items: list[Item]) -> Reply:
    """Return the number of messages a filter lets through, as text."""
    page = select_page(call, message_listing(call), items, search=_searcher(call))
    return Reply(content=str(page.total).encode(), content_type="text/plain")


def _searcher(call: Call) -> Callable[[str], Callable[[Any], bool]]:
    return lambda text: compile_search(text, call.mailbox.now())


def _list(call: Call, items: list[Item], context: str) -> Reply:
    chosen = MESSAGE.selection(call)
    # $expand is ignored on search results.
    expanding = expanders(call) if call.options.search is None else []
    page = select_page(call, message_listing(call), items, search=_searcher(call))
    rendered = [message_json(call, message, chosen) for message in page.items]
    for message, found in zip(page.items, rendered, strict=True):
        for expand in expanding:
            expand(message, found)
    return Reply(json=page_json(call, page, call.context(context), rendered))
