"""How a list of messages is asked for: by filter where that is enough, by Microsoft's search index where not."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

from ostiary.adapters.graph.codec import mail as codec
from ostiary.core.kernel.errors import InvalidRequest
from ostiary.core.mail.filters import MessageFilter

_WORD: Final = re.compile(r"[\w@.'+-]+")
_ADDRESS: Final = re.compile(r"[\w.+'-]+@[\w.-]+")
_SINCE_EVER: Final = "1900-01-01T00:00:00Z"


def list_query(where: MessageFilter, *, limit: int) -> dict[str, str]:
    """Return the query parameters of a list.

    A search cannot be combined with a filter or an order; it gives at most 1,000 messages, newest first by the
    date they were sent (graph.md §3).

    Raises:
        InvalidRequest: A search without a word in it.
    """
    query = {"$top": str(limit), "$select": codec.SUMMARY_FIELDS}
    if where.needs_index:
        expression = search_expression(where)
        if not expression:
            raise InvalidRequest("There is no word in this to search for.", field="q")
        query["$search"] = f'"{expression}"'
        return query
    query["$orderby"] = "receivedDateTime desc"
    if (conditions := _conditions(where)) is not None:
        query["$filter"] = conditions
    return query


def thread_query(conversation_id: str, *, limit: int) -> dict[str, str]:
    """Return the query parameters of a conversation, newest first."""
    return {
        "$top": str(limit),
        "$select": codec.SUMMARY_FIELDS,
        "$orderby": "receivedDateTime desc",
        "$filter": f"receivedDateTime ge {_SINCE_EVER} and conversationId eq {quoted(conversation_id)}",
    }


def _conditions(where: MessageFilter) -> str | None:
    found: list[str] = []
    if where.unread_only:
        found.append("isRead eq false")
    if where.sender is not None:
        found.append(f"from/emailAddress/address eq {quoted(where.sender)}")
    if where.subject is not None:
        found.append(f"contains(subject,{quoted(where.subject)})")
    if where.has_attachments is not None:
        found.append(f"hasAttachments eq {str(where.has_attachments).lower()}")
    if where.until is not None:
        # Whole seconds on the wire; a part of one more must not lose what came within it.
        until = where.until + timedelta(seconds=1) if where.until.microsecond else where.until
        found.append(f"receivedDateTime lt {_moment(until)}")
    if not found and where.since is None:
        return None
    # What is sorted by must come first in the filter, or Graph refuses the query (graph.md §3).
    since = _SINCE_EVER if where.since is None else _moment(where.since)
    return " and ".join([f"receivedDateTime ge {since}", *found])


def search_expression(where: MessageFilter) -> str:
    """Return the conditions as KQL. Coarse on purpose: whole days, beginnings of words; the reader looks again.

    Nothing of the caller's text can be read as an operator: only words are taken over, in lower case.
    """
    terms = [word.lower() for word in _WORD.findall(where.words or "") if word.strip("-+'.")]
    terms = [term.lstrip("-+") for term in terms]
    for name, address in (("from", where.sender), ("to", where.recipient)):
        if address is not None and _ADDRESS.fullmatch(address):
            terms.append(f"{name}:{address.lower()}")
    if where.subject is not None:
        terms += [f"subject:{word.lower()}" for word in re.findall(r"\w+", where.subject)]
    if where.has_attachments is not None:
        terms.append(f"hasAttachments:{str(where.has_attachments).lower()}")
    if where.since is not None:
        terms.append(f"received>={_day(where.since - timedelta(days=1))}")
    if where.until is not None:
        terms.append(f"received<={_day(where.until + timedelta(days=1))}")
    return " ".join(terms)


def quoted(value: str) -> str:
    """Return an OData string literal."""
    return "'" + value.replace("'", "''") + "'"


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _day(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%d")
