"""Microsoft's Graph metadata, if it is at hand: in $M365_CONFORMANCE, or in ``shared/conformance`` beside the repository."""

from __future__ import annotations

import importlib.util
import json
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from m365_emulator.world.request_log import RequestLog
from m365_emulator.world.world import World

Check = Callable[[Any, str], list[str]]
"""Takes a JSON value and the name of its type, returns one line for each violation."""

WHY_NOT = "Microsoft's Graph metadata is not here (set M365_CONFORMANCE to the folder of graph_schema.py)"


def find_check() -> Check | None:
    """Return the check, None when the metadata is not here."""
    beside = Path(__file__).resolve().parents[2].parent / "shared" / "conformance"
    path = Path(os.environ.get("M365_CONFORMANCE", beside)) / "graph_schema.py"
    if not path.exists():
        return None
    spec = importlib.util.spec_from_file_location("graph_schema", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.violations


def type_of(path: str) -> str | None:
    """Return the type of the answer to a successful GET, POST or PATCH of a path, None where it has no type."""
    flat = re.sub(r"\('([^']*)'\)", r"/\1", path.partition("?")[0])
    parts = [part for part in flat.split("/") if part and "(" not in part]
    if not parts:
        return None
    last = parts[-1].lower()
    known = {
        "messages": "message",
        "mailfolders": "mailFolder",
        "childfolders": "mailFolder",
        "events": "event",
        "calendarview": "event",
        "instances": "event",
        "calendars": "calendar",
        "calendar": "calendar",
        "calendargroups": "calendarGroup",
        "calendarpermissions": "calendarPermission",
        "attachments": "attachment",
        "mailboxsettings": "mailboxSettings",
        "mastercategories": "outlookCategory",
        "messagerules": "messageRule",
        "subscriptions": "subscription",
        "extensions": "openTypeExtension",
        "getschedule": "scheduleInformation",
        "getmailtips": "mailTips",
        "findmeetingtimes": "meetingTimeSuggestionsResult",
        "translateexchangeids": "convertIdResult",
        "me": "user",
        "supportedlanguages": "localeInfo",
        "createuploadsession": "uploadSession",
    }
    if last in ("move", "copy"):
        return "mailFolder" if parts[-3].lower() == "mailfolders" else "message"
    if last in ("createreply", "createreplyall", "createforward"):
        return "message"
    if last == "delta":
        return known.get(parts[-2].lower())
    if last in known:
        return known[last]
    if len(parts) > 1 and parts[-2].lower() == "mailboxsettings":
        return None
    return known.get(parts[-2].lower()) if len(parts) > 1 and not last.startswith("$") else None


@contextmanager
def conforming_answers(world: World, record_to: Path) -> Iterator[None]:
    """Record every exchange inside, and fail if an answer of Graph does not fit the metadata (if that is here)."""
    kept, world.request_log = world.request_log, RequestLog(record_to=record_to)
    try:
        yield
    finally:
        world.request_log = kept
    check = find_check()
    if check is None or not record_to.exists():
        return
    exchanges = [json.loads(line) for line in record_to.read_text("utf-8").splitlines()]
    ours = [entry for entry in exchanges if entry["path"].startswith("/v1.0/")]
    assert ours, "No request to Graph was recorded."
    for entry in ours:
        for path, body in _answers(entry):
            kind = type_of(path)
            assert kind is None or check(body, kind) == [], path


def _answers(entry: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield path and JSON of the successful answers in an exchange, those inside a batch among them."""
    if entry["status"] >= 300 or not entry["response_body"].startswith("{"):
        return
    body = json.loads(entry["response_body"])
    if not entry["path"].endswith("/$batch"):
        yield entry["path"].removeprefix("/v1.0"), body
        return
    urls = {one["id"]: one["url"] for one in json.loads(entry["request_body"])["requests"]}
    for answer in body["responses"]:
        if answer["status"] < 300 and isinstance(answer.get("body"), dict):
            yield urls[answer["id"]].partition("/v1.0")[2] or urls[answer["id"]], answer["body"]
