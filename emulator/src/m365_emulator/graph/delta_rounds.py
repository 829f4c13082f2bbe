"""The rounds of delta queries: tokens, pages, links.

A token holds everything needed to go on: the place, the change number the round began at, what has been handed out.
It is readable only by the emulator (base64 of JSON with a keyed mark), and no state is kept for it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from bisect import bisect_right
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import orjson

from m365_emulator.world.mailbox.errors import ChangesForgotten

from .call import Call, Reply
from .errors import GraphError, bad_request
from .odata.options import QueryOptions, parse_options

PAGE = 10


def round_of(call: Call, kind: str, place: str) -> dict[str, Any]:
    """Return the state of the round a call continues, or that of a new one.

    Raises:
        GraphError: The token is no token of this place (400), or its changes are forgotten (410).
    """
    token = call.options.deltatoken or call.options.skiptoken
    if token is None:
        state: dict[str, Any] = {"t": kind, "p": place, "k": "full", "n": call.mailbox.begin_round()}
        kept = [
            (name, value)
            for name, value in call.options.pairs
            if name.lstrip("$").lower() in ("select", "filter", "orderby", "expand", "top")
        ]
        if kept:
            state["q"] = kept
        change_type = call.options.other("changeType")
        if change_type:
            if not set(change_type.split(",")) <= {"created", "updated", "deleted"}:
                raise bad_request("The change type is invalid.", "ErrorInvalidParameter")
            state["c"] = change_type
        return state
    state = _open(call, token)
    if state.get("t") != kind or state.get("p") != place:
        raise GraphError(400, "SyncStateInvalid", "The sync state is for another resource.")
    if call.options.deltatoken is not None:
        state = {**state, "k": "changes", "s": 0, "e": call.mailbox.change_number}
    return state


def adopt_options(call: Call, state: dict[str, Any]) -> None:
    """Put the options the round began with back into a call that continues it."""
    if call.options.deltatoken is None and call.options.skiptoken is None:
        return
    kept = "&".join(f"{name}={quote(value, safe='')}" for name, value in state.get("q", ()))
    adopted: QueryOptions = parse_options(kept)
    adopted.others, adopted.pairs = call.options.others, call.options.pairs
    adopted.skiptoken, adopted.deltatoken = call.options.skiptoken, call.options.deltatoken
    call.options = adopted


def _page_size(call: Call) -> int:
    wish = call.preferences.max_page_size
    if wish is None:
        return call.options.top or PAGE
    call.preferences.applied.append(f"odata.maxpagesize={wish}")
    return wish


def full_page(
    call: Call, state: dict[str, Any], items: Sequence[Any], place: Callable[[Any], list[float]], render: Any
) -> Reply:
    """Return the next page of a first round.

    The round goes on behind the last item handed out, not at a count, so that nothing is left out when items come or
    go while it runs; `place` gives each item's position, by which `items` are sorted.
    """
    size = _page_size(call)
    start = bisect_right(items, state["a"], key=place) if "a" in state else 0
    page = items[start : start + size]
    value = [render(item) for item in page]
    if start + size < len(items):
        return _reply(call, value, "nextLink", "$skiptoken", {**state, "a": place(page[-1])})
    return _reply(
        call, value, "deltaLink", "$deltatoken", {name: part for name, part in state.items() if name != "a"}
    )


def changes_page(call: Call, state: dict[str, Any], found: list[dict[str, Any]]) -> Reply:
    start, size = state["s"], _page_size(call)
    value = found[start : start + size]
    if start + size < len(found):
        return _reply(call, value, "nextLink", "$skiptoken", {**state, "s": start + size})
    ended = {name: part for name, part in state.items() if name not in ("e", "s")}
    return _reply(call, value, "deltaLink", "$deltatoken", {**ended, "n": state["e"]})


def _reply(
    call: Call, value: list[dict[str, Any]], link: str, parameter: str, state: dict[str, Any]
) -> Reply:
    url = f"{call.url}?{parameter}={_seal(call, state)}"
    context = call.context(f"{state['t']}/$delta").replace("view/$delta", "calendarView/$delta")
    return Reply(json={"@odata.context": context, "value": value, f"@odata.{link}": url})


def _key(call: Call) -> bytes:
    return hashlib.sha256(b"delta" + call.mailbox.replica).digest()


def _seal(call: Call, state: dict[str, Any]) -> str:
    content = orjson.dumps(state)
    mark = hmac.new(_key(call), content, hashlib.sha256).digest()[:12]
    return base64.urlsafe_b64encode(mark + content).decode().rstrip("=")


def _open(call: Call, token: str) -> dict[str, Any]:
    try:
        raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
    except (binascii.Error, ValueError) as error:
        raise _bad_token() from error
    mark, content = raw[:12], raw[12:]
    if not hmac.compare_digest(mark, hmac.new(_key(call), content, hashlib.sha256).digest()[:12]):
        raise _bad_token()
    state = orjson.loads(content)
    if not isinstance(state, dict):
        raise _bad_token()
    # Asking the log tells whether it still reaches back that far, on every page of a round.
    try:
        call.mailbox.log.check(state.get("n", 0))
    except ChangesForgotten as error:
        raise GraphError(
            410, "SyncStateNotFound", str(error), headers={"Location": _fresh_url(call, state)}
        ) from error
    return state


def _fresh_url(call: Call, state: dict[str, Any]) -> str:
    """Return the URL of a new round with the options of the one that cannot be continued."""
    pairs = [*state.get("q", ())]
    if "w" in state:
        names = ("startDateTime", "endDateTime")
        pairs += [
            (name, datetime.fromtimestamp(at, UTC).isoformat())
            for name, at in zip(names, state["w"], strict=True)
        ]
    if "c" in state:
        pairs.append(("changeType", state["c"]))
    query = "&".join(f"{quote(name, safe='$')}={quote(value, safe='')}" for name, value in pairs)
    return f"{call.url}?{query}" if query else call.url


def _bad_token() -> GraphError:
    return GraphError(400, "SyncStateInvalid", "The sync state is invalid or was tampered with.")
