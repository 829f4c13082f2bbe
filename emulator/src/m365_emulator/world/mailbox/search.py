"""Keyword search in messages: the part of KQL that mail programs use.

Words and "phrases" match anywhere in subject, body, addresses and attachment names; `property:value` narrows to one
property; AND (implied), OR, NOT, `-word` and parentheses combine. Source: Graph's $search parameter; KQL reference.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from .bodies import to_text
from .errors import InvalidContent
from .item import Recipient
from .message import Message

Test = Callable[[Message], bool]
MAX_CHARACTERS = 2048
_TOKEN = re.compile(
    r"""\s*(?:(?P<mark>[()])|(?P<prop>[A-Za-z]+)\s*(?P<op>:|<=|>=|<>|=|<|>)\s*(?P<value>"[^"]*"|[^\s()]+)|(?P<phrase>"[^"]*")|(?P<word>[^\s()"]+))"""
)


def compile_search(text: str, now: datetime) -> Test:
    """Return a test for messages; raises InvalidContent for an expression that cannot be read."""
    if len(text) > MAX_CHARACTERS:
        raise InvalidContent("The search expression is too long.", "$search")
    return _Parser(text, now).parse()


class _Parser:
    def __init__(self, text: str, now: datetime) -> None:
        self._now = now
        self._tokens: list[re.Match[str]] = []
        position, end = 0, len(text.rstrip())
        while position < end:
            match = _TOKEN.match(text, position)
            if match is None:
                raise InvalidContent(
                    f"Syntax error at position {position} in the search expression.", "$search"
                )
            self._tokens.append(match)
            position = match.end()
        self._at = 0
        self._depth = 0

    def parse(self) -> Test:
        test = self._either()
        if self._at < len(self._tokens):
            raise self._error()
        return test

    def _word(self) -> str:
        return self._tokens[self._at]["word"] or "" if self._at < len(self._tokens) else ""

    def _mark(self) -> str:
        return self._tokens[self._at]["mark"] or "" if self._at < len(self._tokens) else ""

    def _error(self) -> InvalidContent:
        return InvalidContent("Syntax error in the search expression.", "$search")

    def _either(self) -> Test:
        self._depth += 1
        if self._depth > 30:
            raise self._error()
        tests = [self._both()]
        while self._word() == "OR":
            self._at += 1
            tests.append(self._both())
        self._depth -= 1
        return tests[0] if len(tests) == 1 else lambda message: any(test(message) for test in tests)

    def _both(self) -> Test:
        tests = [self._one()]
        while self._at < len(self._tokens) and self._word() != "OR" and self._mark() != ")":
            if self._word() == "AND":
                self._at += 1
            tests.append(self._one())
        return tests[0] if len(tests) == 1 else lambda message: all(test(message) for test in tests)

    def _one(self) -> Test:
        if self._at >= len(self._tokens):
            raise self._error()
        token = self._tokens[self._at]
        self._at += 1
        if token["mark"] == "(":
            test = self._either()
            if self._mark() != ")":
                raise self._error()
            self._at += 1
            return test
        if token["mark"]:
            raise self._error()
        if token["word"] == "NOT":
            self._depth += 1
            if self._depth > 30:
                raise self._error()
            inside = self._one()
            self._depth -= 1
            return lambda message: not inside(message)
        if token["prop"]:
            return _property(token["prop"].lower(), token["op"], token["value"].strip('"'), self._now)
        word = token["phrase"].strip('"') if token["phrase"] else token["word"]
        if token["word"] and word.startswith("-") and len(word) > 1:
            unwanted = _anywhere(word[1:])
            return lambda message: not unwanted(message)
        return _anywhere(word)


def _anywhere(words: str) -> Test:
    """Return a test for the words in subject, addresses, attachment names or body, the dearest to look at last."""
    matches = _words(words)
    first = next(iter(_WORD.findall(words.casefold())), "")

    def test(message: Message) -> bool:
        if matches(message.subject.casefold()) or matches(_people(message.from_, *message.to, *message.cc)):
            return True
        if any(matches(part.name.casefold()) for part in message.attachments or ()):
            return True
        content = message.body.content
        # Only markup that hides letters as entities can hold a word that is not in the source.
        if first not in content.casefold() and "&" not in content:
            return False
        return matches(to_text(message.body).casefold())

    return test


_WORD = re.compile(r"[\w@.\-]+")


def _words(text: str) -> Callable[[str], bool]:
    """Return a test for text: the words, each as the beginning of a word, next to each other."""
    parts = [re.escape(part) for part in _WORD.findall(text.rstrip("*").casefold())]
    if not parts:
        return lambda found: True
    pattern = re.compile(r"(?<!\w)" + r"\W+".join(parts))
    return lambda found: pattern.search(found) is not None


def _people(*people: Recipient | None) -> str:
    return " ".join(f"{one.name} {one.address}" for one in people if one is not None).casefold()


_TEXTS: dict[str, Callable[[Message], str]] = {
    "subject": lambda m: m.subject.casefold(),
    "body": lambda m: to_text(m.body).casefold(),
    "from": lambda m: _people(m.from_, m.sender),
    "sender": lambda m: _people(m.from_, m.sender),
    "to": lambda m: _people(*m.to),
    "cc": lambda m: _people(*m.cc),
    "bcc": lambda m: _people(*m.bcc),
    "recipients": lambda m: _people(*m.recipients),
    "participants": lambda m: _people(m.from_, *m.recipients),
    "attachment": lambda m: " ".join(part.name for part in m.attachments or ()).casefold(),
    "category": lambda m: " ".join(m.categories).casefold(),
    "importance": lambda m: {"normal": "normal medium"}.get(m.importance, m.importance),
    "kind": lambda m: "meetings" if m.meeting else "email",
}


def _property(name: str, operator: str, value: str, now: datetime) -> Test:
    if name in _TEXTS:
        get, matches = _TEXTS[name], _words(value)
        if operator == "<>":
            return lambda message: not matches(get(message))
        return lambda message: matches(get(message))
    match name:
        case "hasattachment" | "hasattachments":
            wanted = value.lower() in ("true", "yes", "1")
            return lambda message: message.has_attachments is wanted
        case "isread":
            wanted = value.lower() in ("true", "yes", "1")
            return lambda message: message.is_read is wanted
        case "size":
            return _numbers(operator, value)
        case "received" | "sent":
            return _dates(name, operator, value, now)
        case _:
            # An unknown property is no error: KQL reads the whole as words.
            return _anywhere(f"{name} {value}")


def _numbers(operator: str, value: str) -> Test:
    low, dots, high = value.partition("..")
    if not low.isdigit() or (dots and not high.isdigit()):
        raise InvalidContent("The size in the search expression is no number.", "$search")
    if dots:
        return lambda message: int(low) <= message.size <= int(high)
    number = int(low)
    return _compare(operator, lambda message: message.size, number, number + 1)


def _dates(name: str, operator: str, value: str, now: datetime) -> Test:
    def at(message: Message) -> datetime:
        return message.received_at if name == "received" else message.sent_at

    low, dots, high = value.partition("..")
    start, end = _span(low, now)
    if dots:
        last = _span(high, now)[1]
        return lambda message: start <= at(message) < last
    return _compare(operator, at, start, end)


def _compare(operator: str, get: Callable[[Message], object], start: object, end: object) -> Test:
    def test(message: Message) -> bool:
        found = get(message)
        match operator:
            case "<":
                return found < start  # type: ignore[operator]
            case ">":
                return found >= end  # type: ignore[operator]
            case "<=":
                return found < end  # type: ignore[operator]
            case ">=":
                return found >= start  # type: ignore[operator]
            case "<>":
                return not (start <= found < end)  # type: ignore[operator]
            case _:
                return start <= found < end  # type: ignore[operator]

    return test


def _span(value: str, now: datetime) -> tuple[datetime, datetime]:
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    day = timedelta(days=1)
    match value.strip().lower():
        case "today":
            return today, today + day
        case "yesterday":
            return today - day, today
        case "this week":
            start = today - timedelta(days=(today.weekday() + 1) % 7)
            return start, start + 7 * day
        case "last week":
            start = today - timedelta(days=(today.weekday() + 1) % 7 + 7)
            return start, start + 7 * day
        case text:
            parsed = _date(text)
            is_moment = ":" in text
            return parsed, parsed + (timedelta(seconds=1) if is_moment else day)


def _date(text: str) -> datetime:
    american = re.fullmatch(r"(\d{1,2})/(\d{1,2})/(\d{4})", text)
    try:
        if american is not None:
            return datetime(int(american[3]), int(american[1]), int(american[2]), tzinfo=UTC)
        found = datetime.fromisoformat(text.upper())
    except ValueError as error:
        raise InvalidContent("The date in the search expression cannot be read.", "$search") from error
    return found if found.tzinfo else found.replace(tzinfo=UTC)
