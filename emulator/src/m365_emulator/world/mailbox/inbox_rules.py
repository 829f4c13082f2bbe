"""Running a mailbox's inbox rules on a message that has just arrived."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from .errors import MailboxError
from .rules import MessageRule
from .store import DeleteMode, Mailbox

if TYPE_CHECKING:
    from .message import Message


def run(mailbox: Mailbox, message: Message) -> None:
    """Apply the enabled rules in their order until one says to stop."""
    for rule in sorted(mailbox.rules, key=lambda rule: rule.sequence):
        if not rule.is_enabled or not _fits(rule, message):
            continue
        _act(mailbox, message, cast("dict[str, Any]", rule.actions))
        if rule.actions.get("stopProcessingRules"):
            return


def _fits(rule: MessageRule, message: Message) -> bool:
    if not _all_hold(cast("dict[str, Any]", rule.conditions), message):
        return False
    exceptions = cast("dict[str, Any]", rule.exceptions)
    return not any(_holds(name, value, message) for name, value in exceptions.items() if value)


def _all_hold(conditions: dict[str, Any], message: Message) -> bool:
    return all(_holds(name, value, message) for name, value in conditions.items() if value)


def _holds(name: str, value: Any, message: Message) -> bool:
    writer = message.from_
    match name:
        case "subjectContains":
            return _any_in(value, message.subject)
        case "bodyContains":
            return _any_in(value, message.body.content)
        case "bodyOrSubjectContains":
            return _any_in(value, message.subject) or _any_in(value, message.body.content)
        case "senderContains":
            return writer is not None and _any_in(value, f"{writer.name} {writer.address}")
        case "recipientContains":
            return _any_in(value, " ".join(f"{one.name} {one.address}" for one in message.recipients))
        case "fromAddresses":
            return writer is not None and writer.address.lower() in _addresses(value)
        case "sentToAddresses":
            return any(one.address.lower() in _addresses(value) for one in message.recipients)
        case "hasAttachments":
            return message.has_attachments
        case "importance":
            return message.importance == value
        case "isMeetingRequest":
            return message.meeting is not None and message.meeting.kind == "request"
        case _:
            return False


def _any_in(words: list[str], text: str) -> bool:
    folded = text.casefold()
    return any(str(word).casefold() in folded for word in words)


def _addresses(recipients: list[dict[str, Any]]) -> set[str]:
    return {str(one.get("emailAddress", {}).get("address", "")).lower() for one in recipients}


def _act(mailbox: Mailbox, message: Message, actions: dict[str, Any]) -> None:
    values: dict[str, Any] = {}
    if actions.get("markAsRead"):
        values["is_read"] = True
    if actions.get("markImportance"):
        values["importance"] = actions["markImportance"]
    if actions.get("assignCategories"):
        values["categories"] = tuple(dict.fromkeys((*message.categories, *actions["assignCategories"])))
    if values:
        mailbox.update(message, values)
    for name, move in (("copyToFolder", mailbox.copy), ("moveToFolder", mailbox.move)):
        if actions.get(name):
            try:
                folder = mailbox.find_well_known(actions[name]) or mailbox.resolve_folder(
                    mailbox.ids.read_rest(actions[name])
                )
            except MailboxError:
                continue  # The folder was deleted since; Exchange leaves the message where it is.
            move(message, folder)
    if actions.get("delete"):
        mailbox.delete(message, DeleteMode.TO_DELETED_ITEMS)
    if actions.get("permanentDelete"):
        mailbox.delete(message, DeleteMode.PURGE)
