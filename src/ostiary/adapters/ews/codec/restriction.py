"""Our filters as Exchange asks for them: a restriction where that is enough, words for its index where not."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from ostiary.adapters.ews.codec.mail_writing import STAMP_PATH
from ostiary.adapters.ews.operations.find_item import wire
from ostiary.adapters.ews.soap import attribute
from ostiary.core.kernel.errors import InvalidRequest
from ostiary.core.mail.filters import MessageFilter

_WORD: Final = re.compile(r"[\w@.'+-]+")
_ADDRESS: Final = re.compile(r"[\w.+'-]+@[\w.-]+")


def needs_index(where: MessageFilter) -> bool:
    """Whether only the search index can answer: restrictions know no addresses (ews.md §6)."""
    return where.needs_index or where.sender is not None


def restriction(where: MessageFilter) -> str:
    """Return the conditions as a search expression; empty when there are none.

    Source: EWS Restriction element.
    """
    return _all(list(_conditions(where)))


def query(where: MessageFilter) -> str:
    """Return the conditions as words for the index. Coarse on purpose; the reader looks again.

    Nothing of the caller's text can be read as an operator: only words are taken over, in lower case.

    Raises:
        InvalidRequest: There is no word to search for.

    Source: EWS QueryString element, advanced query syntax.
    """
    terms = [word.lower().lstrip("-+") for word in _WORD.findall(where.words or "") if word.strip("-+'.")]
    for name, address in (("from", where.sender), ("to", where.recipient)):
        if address is not None and _ADDRESS.fullmatch(address):
            terms.append(f"{name}:{address.lower()}")
    if where.subject is not None:
        terms += [f"subject:{word.lower()}" for word in re.findall(r"\w+", where.subject)]
    if where.has_attachments is not None:
        terms.append(f"hasattachments:{str(where.has_attachments).lower()}")
    if where.since is not None:
        terms.append(f"received>={_day(where.since - timedelta(days=1))}")
    if where.until is not None:
        terms.append(f"received<={_day(where.until + timedelta(days=1))}")
    if not terms:
        raise InvalidRequest("There is no word in this to search for.", field="q")
    return " ".join(terms)


def topic_restriction(topic: str) -> str:
    """Return the expression for the messages of a topic, which every message of a conversation shares."""
    return _compare("IsEqualTo", '<t:FieldURI FieldURI="message:ConversationTopic"/>', topic)


def stamp_restriction(stamp: str) -> str:
    """Return the expression for the message that carries a stamp."""
    return _compare("IsEqualTo", STAMP_PATH, stamp)


def _conditions(where: MessageFilter) -> Iterator[str]:
    received = '<t:FieldURI FieldURI="item:DateTimeReceived"/>'
    if where.unread_only:
        yield _compare("IsEqualTo", '<t:FieldURI FieldURI="message:IsRead"/>', "false")
    if where.subject is not None:
        yield (
            '<t:Contains ContainmentMode="Substring" ContainmentComparison="IgnoreCase">'
            f'<t:FieldURI FieldURI="item:Subject"/><t:Constant Value={attribute(where.subject)}/></t:Contains>'
        )
    if where.has_attachments is not None:
        wanted = str(where.has_attachments).lower()
        yield _compare("IsEqualTo", '<t:FieldURI FieldURI="item:HasAttachments"/>', wanted)
    if where.since is not None:
        yield _compare("IsGreaterThanOrEqualTo", received, wire(where.since))
    if where.until is not None:
        # Whole seconds on the wire; a part of one more must not lose what came within it.
        until = where.until + timedelta(seconds=1) if where.until.microsecond else where.until
        yield _compare("IsLessThan", received, wire(until))


def _compare(operator: str, path: str, value: str) -> str:
    constant = f"<t:FieldURIOrConstant><t:Constant Value={attribute(value)}/></t:FieldURIOrConstant>"
    return f"<t:{operator}>{path}{constant}</t:{operator}>"


def _all(conditions: list[str]) -> str:
    if len(conditions) < 2:
        return "".join(conditions)
    return f"<t:And>{''.join(conditions)}</t:And>"


def _day(at: datetime) -> str:
    return wire(at)[:10]
