"""Inbox rules."""

from __future__ import annotations

from typing import Any

from m365_emulator.world.mailbox.rules import MessageRule

from .access import SETTINGS_READ, SETTINGS_WRITE
from .call import Call, Reply
from .errors import GraphError, bad_request, not_found
from .folders import folder_of
from .inputs.messages import IMPORTANCE
from .inputs.values import choice_of, list_of, member, object_of, text_of, truth_of, wrong_type
from .operations import Operations

operations = Operations()
_PATH = "/{mailbox}/mailFolders/{folder}/messageRules"
_TEXT_LISTS = (
    "subjectContains",
    "bodyContains",
    "bodyOrSubjectContains",
    "senderContains",
    "recipientContains",
)
_RECIPIENT_LISTS = ("fromAddresses", "sentToAddresses")
_TRUTHS = ("hasAttachments", "isMeetingRequest")
_ACTION_TRUTHS = ("markAsRead", "delete", "permanentDelete", "stopProcessingRules")


@operations.get(_PATH, SETTINGS_READ)
def list_rules(call: Call) -> Reply:
    """List the rules of the inbox, in their order."""
    _check_inbox(call)
    value = [_json(one) for one in sorted(call.mailbox.rules, key=lambda one: one.sequence)]
    return Reply(json={"@odata.context": call.context("mailFolders('inbox')/messageRules"), "value": value})


@operations.get(f"{_PATH}/{{rule}}", SETTINGS_READ)
def get(call: Call) -> Reply:
    """Return one rule."""
    return _reply(call, _find(call))


@operations.post(_PATH, SETTINGS_WRITE)
def create(call: Call) -> Reply:
    """Add a rule."""
    _check_inbox(call)
    body = call.json()
    name = text_of(member(body, "displayName"), "displayName", limit=256)
    if not name:
        raise GraphError(400, "ErrorRequiredPropertyMissing", "Required property is missing: displayName.")
    rule = MessageRule(_new_id(call), name, len(call.mailbox.rules) + 1)
    _apply(call, rule, body)
    if not rule.actions:
        raise GraphError(400, "ErrorRequiredPropertyMissing", "Required property is missing: actions.")
    call.mailbox.rules.append(rule)
    return _reply(call, rule, 201)


@operations.patch(f"{_PATH}/{{rule}}", SETTINGS_WRITE)
def update(call: Call) -> Reply:
    """Change a rule."""
    rule = _find(call)
    _apply(call, rule, call.json())
    return _reply(call, rule)


@operations.delete(f"{_PATH}/{{rule}}", SETTINGS_WRITE)
def delete(call: Call) -> Reply:
    """Take a rule away."""
    call.mailbox.rules.remove(_find(call))
    return Reply(204)


def _check_inbox(call: Call) -> None:
    if folder_of(call, call.arguments["folder"]).well_known != "inbox":
        raise bad_request("Rules are supported only on the inbox.", "ErrorInvalidRequest")


def _new_id(call: Call) -> str:
    # Outlook's rule ids look like this: AQAAAJ5dZqA=
    return "AQAA" + call.mailbox.random_key().hex()[:7].upper() + "="


def _find(call: Call) -> MessageRule:
    _check_inbox(call)
    found = next((one for one in call.mailbox.rules if one.id == call.arguments["rule"]), None)
    if found is None:
        raise not_found()
    return found


def _apply(call: Call, rule: MessageRule, body: dict[str, Any]) -> None:
    name, sequence, enabled = member(body, "displayName"), member(body, "sequence"), member(body, "isEnabled")
    conditions, exceptions, actions = (
        member(body, "conditions"),
        member(body, "exceptions"),
        member(body, "actions"),
    )
    new_conditions = _predicates(conditions, "conditions") if conditions is not None else rule.conditions
    new_exceptions = _predicates(exceptions, "exceptions") if exceptions is not None else rule.exceptions
    new_actions = _actions(call, actions) if actions is not None else rule.actions
    if sequence is not None and (isinstance(sequence, bool) or not isinstance(sequence, int)):
        raise wrong_type("sequence")
    rule.display_name = text_of(name, "displayName", limit=256) if name is not None else rule.display_name
    rule.sequence = sequence if sequence is not None else rule.sequence
    rule.is_enabled = truth_of(enabled, "isEnabled") if enabled is not None else rule.is_enabled
    rule.conditions, rule.exceptions, rule.actions = new_conditions, new_exceptions, new_actions


def _predicates(value: Any, where: str) -> dict[str, Any]:
    given = object_of(value, where)
    found: dict[str, Any] = {}
    for name in _TEXT_LISTS:
        if (part := member(given, name)) is not None:
            found[name] = [text_of(one, f"{where}/{name}", limit=500) for one in list_of(part, name)]
    for name in _RECIPIENT_LISTS:
        if (part := member(given, name)) is not None:
            found[name] = [object_of(one, f"{where}/{name}") for one in list_of(part, name)]
    for name in _TRUTHS:
        if (part := member(given, name)) is not None:
            found[name] = truth_of(part, f"{where}/{name}")
    if (part := member(given, "importance")) is not None:
        found["importance"] = choice_of(part, f"{where}/importance", IMPORTANCE)
    _refuse_unknown(given, found, where)
    return found


def _actions(call: Call, value: Any) -> dict[str, Any]:
    given = object_of(value, "actions")
    found: dict[str, Any] = {}
    for name in ("moveToFolder", "copyToFolder"):
        if (part := member(given, name)) is not None:
            folder = folder_of(call, text_of(part, f"actions/{name}", limit=1000))
            found[name] = call.mailbox.ids.folder_rest_id(folder.number)
    for name in _ACTION_TRUTHS:
        if (part := member(given, name)) is not None:
            found[name] = truth_of(part, f"actions/{name}")
    if (part := member(given, "markImportance")) is not None:
        found["markImportance"] = choice_of(part, "actions/markImportance", IMPORTANCE)
    if (part := member(given, "assignCategories")) is not None:
        found["assignCategories"] = [
            text_of(one, "actions/assignCategories", limit=255) for one in list_of(part, "assignCategories")
        ]
    _refuse_unknown(given, found, "actions")
    return found


def _refuse_unknown(given: dict[str, Any], found: dict[str, Any], where: str) -> None:
    known = {name.lower() for name in found}
    unknown = [
        name
        for name, value in given.items()
        if value is not None and not name.startswith("@") and name.lower() not in known
    ]
    if unknown:
        raise bad_request(
            f"The rule's {where} '{unknown[0][:80]}' are not supported by the emulator.",
            "ErrorInvalidRequest",
        )


def _json(rule: MessageRule) -> dict[str, Any]:
    return {
        "id": rule.id,
        "displayName": rule.display_name,
        "sequence": rule.sequence,
        "isEnabled": rule.is_enabled,
        "hasError": False,
        "isReadOnly": False,
        "conditions": rule.conditions,
        "exceptions": rule.exceptions or None,
        "actions": rule.actions,
    }


def _reply(call: Call, rule: MessageRule, status: int = 200) -> Reply:
    return Reply(status, {"@odata.context": f"{call.context('messageRules')}/$entity", **_json(rule)})
