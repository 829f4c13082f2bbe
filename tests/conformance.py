"""What our service and the emulator said to each other, held against Microsoft's own schemas.

The emulator records every exchange of the run; when it is stopped, each Graph answer, each EWS request of ours and
each EWS answer is checked with the checkers in ``shared/conformance`` beside the repository (or in
``$M365_CONFORMANCE``). Where they are not at hand, nothing is checked.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, Final

_BESIDE: Final = Path(__file__).resolve().parents[2] / "shared" / "conformance"
_MOST_LOGGED_BYTES: Final = 16_000
"""Longer request bodies are cut in the record, and a part of a message proves nothing."""
_MOST_CHECKED_CHARACTERS: Final = 8_000_000
"""The checker's parser takes no longer texts, such as a large file in one element."""

_TYPES: Final = {
    "me": "user",
    "organization": "organization",
    "microsoft.graph.directoryrole": "directoryRole",
    "mailfolders": "mailFolder",
    "childfolders": "mailFolder",
    "messages": "message",
    "calendars": "calendar",
    "calendar": "calendar",
    "events": "event",
    "calendarview": "event",
    "mailboxsettings": "mailboxSettings",
    "attachments": "attachment",
    "getschedule": "scheduleInformation",
    "instances": "event",
    "subscriptions": "subscription",
}
"""Type of an answer by the collection its path ends in."""

_ANSWERED_WITH_AN_ITEM: Final = frozenset(
    {"move", "copy", "createreply", "createreplyall", "createforward", "delta"}
)
"""Actions and functions that answer with an entity, or with several, of the collection they stand on."""

_ENVELOPES: Final = re.compile(r".*?</(?:\w+:)?Envelope>", re.DOTALL)
_UPLOAD_SESSION: Final = "createuploadsession"
_BATCH: Final = "/v1.0/$batch"
_ACTION_BODIES: Final[dict[str, dict[str, str]]] = {
    "createreply": {"message": "message"},
    "createreplyall": {"message": "message"},
    "createforward": {"message": "message"},
    "sendmail": {"message": "message"},
    _UPLOAD_SESSION: {"attachmentitem": "attachmentItem"},
}
"""Parameters of actions that have a type of their own, by action."""


def find_checker(name: str) -> ModuleType | None:
    """Load ``graph_schema`` or ``ews_schema``, None when it is not at hand."""
    path = Path(os.environ.get("M365_CONFORMANCE", _BESIDE)) / f"{name}.py"
    if not path.exists():
        return None
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def violations(record: Path) -> list[str]:
    """Return one line for each place where a recorded exchange breaks Microsoft's schemas, without repeats."""
    graph, ews = find_checker("graph_schema"), find_checker("ews_schema")
    if graph is None or ews is None or not record.exists():
        return []
    found: dict[str, None] = {}
    with record.open(encoding="utf-8") as lines:
        for line in lines:
            exchange: dict[str, Any] = json.loads(line)
            if exchange["fault"]:
                continue
            path = exchange["path"].lower()
            if path.startswith("/v1.0/"):
                wrong = _wrong_in_graph(graph, exchange)
            elif path == "/ews/exchange.asmx":
                wrong = _wrong_in_ews(ews, exchange)
            else:
                continue
            found.update(dict.fromkeys(f"{exchange['method']} {exchange['path']}: {each}" for each in wrong))
    return list(found)


def _wrong_in_graph(checker: ModuleType, exchange: dict[str, Any]) -> Iterator[str]:
    yield from _wrong_in_graph_request(checker, exchange)
    is_json = "json" in exchange["response_headers"].get("content-type", "")
    if exchange["status"] not in (200, 201) or not is_json:
        return
    answer = json.loads(exchange["response_body"])
    if exchange["path"].lower() == _BATCH:
        yield from _wrong_in_batch(checker, exchange, answer)
        return
    kind = _type_of(exchange["path"])
    if kind is None:
        yield "no type is known for this path: add it to tests/conformance.py"
        return
    yield from (f"answer: {each}" for each in checker.violations(answer, kind))


def _wrong_in_graph_request(checker: ModuleType, exchange: dict[str, Any]) -> Iterator[str]:
    """Hold what was sent against the type of what it makes or changes, where Graph took it."""
    asked = exchange["request_body"]
    if exchange["method"] not in ("POST", "PATCH") or not 200 <= exchange["status"] < 300:
        return
    # The record masks secrets and cuts long bodies: what no longer is JSON proves nothing.
    if not asked.startswith("{") or len(asked) >= _MOST_LOGGED_BYTES:
        return
    body = json.loads(asked)
    action = exchange["path"].rstrip("/").rpartition("/")[2].lower()
    if action in _ACTION_BODIES:
        types = _ACTION_BODIES[action]
        parts = [(name, value, types.get(name.lower())) for name, value in body.items()]
        for name, value, kind in parts:
            if kind is not None:
                yield from (f"request {name}: {each}" for each in checker.violations(value, kind))
        return
    kind = _TYPES.get(action)
    if exchange["method"] == "PATCH":
        kind = _type_of(exchange["path"])
    if kind is not None and action != "getschedule":
        yield from (f"request: {each}" for each in checker.violations(body, kind))


def _wrong_in_batch(checker: ModuleType, exchange: dict[str, Any], answer: dict[str, Any]) -> Iterator[str]:
    asked = exchange["request_body"]
    if not asked.startswith("{") or len(asked) >= _MOST_LOGGED_BYTES:
        return
    urls = {part["id"]: part["url"].partition("?")[0] for part in json.loads(asked)["requests"]}
    for part in answer["responses"]:
        kind = _type_of(urls[part["id"]])
        if part["status"] in (200, 201) and kind is not None:
            yield from (f"answer {part['id']}: {each}" for each in checker.violations(part["body"], kind))


def _type_of(path: str) -> str | None:
    *before, last = [part.lower() for part in path.split("/") if part]
    if last == _UPLOAD_SESSION:
        return "uploadSession"
    if last in _ANSWERED_WITH_AN_ITEM and before:
        return _type_of("/".join(before))
    # The last part is a collection, or the id of something in the collection before it.
    return _TYPES.get(last) or (_TYPES.get(before[-1]) if before and before[-1] != "me" else None)


def _wrong_in_ews(checker: ModuleType, exchange: dict[str, Any]) -> Iterator[str]:
    asked = exchange["request_body"]
    # An envelope that a test broke on purpose is the emulator's affair.
    if asked and len(asked) < _MOST_LOGGED_BYTES and exchange["status"] == 200:
        yield from (f"request: {each}" for each in checker.violations(asked.encode()))
    answered = exchange["response_body"]
    if exchange["status"] == 200 and "</" in answered and len(answered) < _MOST_CHECKED_CHARACTERS:
        # A stream of events is one envelope after another, and may be cut off where somebody hung up.
        for envelope in _ENVELOPES.findall(answered) or [answered]:
            # The service's own messages have m:Notification where the published schema has t:Notification.
            written = re.sub(r"(</?)m:Notification>", r"\1t:Notification>", envelope)
            yield from (f"answer: {each}" for each in checker.violations(written.encode()))
