"""Reading $filter into a tree and testing items against it.

Only what Outlook supports: eq ne gt ge lt le, and or not, startswith, endswith, contains, `any` over extended
properties and categories. Source: OData 4 URL conventions; Graph's query parameters page for Outlook.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from m365_emulator.graph.errors import GraphError, bad_request

_TOKEN = re.compile(
    r"""\s*(?:
      (?P<string>'(?:[^']|'')*')
    | (?P<datetime>\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+\ -]\d\d:\d\d)?)
    | (?P<date>\d{4}-\d\d-\d\d)
    | (?P<number>-?\d+(?:\.\d+)?)
    | (?P<word>[A-Za-z_@][\w@.\-]*(?:/[A-Za-z_@][\w@.\-]*)*)
    | (?P<mark>[(),:])
    )""",
    re.VERBOSE,
)
COMPARISONS = ("eq", "ne", "gt", "ge", "lt", "le")
FUNCTIONS = ("startswith", "endswith", "contains")
MAX_DEPTH = 50
MAX_CHARACTERS = 8192


@dataclass(frozen=True, slots=True)
class Compare:
    path: str
    operator: str
    value: Any


@dataclass(frozen=True, slots=True)
class Call:
    function: str
    path: str
    value: str


@dataclass(frozen=True, slots=True)
class Any_:  # noqa: N801 - `Any` is typing's
    """`path/any(variable: condition)`; the paths inside the condition have the variable taken off."""

    path: str
    condition: Node


@dataclass(frozen=True, slots=True)
class Not:
    inside: Node


@dataclass(frozen=True, slots=True)
class Both:
    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class Either:
    left: Node
    right: Node


Node = Compare | Call | Any_ | Not | Both | Either
Getter = Callable[[Any], Any]


def parse_filter(text: str) -> Node:
    """Read a $filter; raises GraphError 400 where it cannot be read."""
    if len(text) > MAX_CHARACTERS:
        raise bad_request("Invalid filter clause: the expression is too long.")
    return _Parser(text).parse()


def paths_of(node: Node) -> Iterator[str]:
    """Yield the properties of a filter in the order they are written."""
    match node:
        case Compare(path=path) | Call(path=path) | Any_(path=path):
            yield path
        case Not(inside=inside):
            yield from paths_of(inside)
        case Both(left=left, right=right) | Either(left=left, right=right):
            yield from paths_of(left)
            yield from paths_of(right)


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = list(self._split(text))
        self._at = 0
        self._depth = 0
        self._variable: str | None = None

    def parse(self) -> Node:
        node = self._either()
        if self._at < len(self._tokens):
            raise self._error()
        return node

    def _split(self, text: str) -> Iterator[tuple[str, str, int]]:
        position, end = 0, len(text.rstrip())
        while position < end:
            match = _TOKEN.match(text, position)
            if match is None or match.lastgroup is None:
                raise bad_request(
                    f"Invalid filter clause: Syntax error at position {position} in '{text[:100]}'."
                )
            yield match.lastgroup, match[match.lastgroup], match.start(match.lastgroup)
            position = match.end()

    def _peek(self) -> tuple[str, str, int]:
        return self._tokens[self._at] if self._at < len(self._tokens) else ("end", "", len(self._text))

    def _take(self) -> tuple[str, str, int]:
        token = self._peek()
        self._at += 1
        return token

    def _take_mark(self, mark: str) -> None:
        kind, text, _ = self._peek()
        if kind != "mark" or text != mark:
            raise self._error()
        self._at += 1

    def _is_word(self, word: str) -> bool:
        kind, text, _ = self._peek()
        return kind == "word" and text.lower() == word

    def _error(self) -> GraphError:
        position = self._peek()[2]
        return bad_request(
            f"Invalid filter clause: Syntax error at position {position} in '{self._text[:100]}'."
        )

    def _either(self) -> Node:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise bad_request("Invalid filter clause: The node count limit has been exceeded.")
        node = self._both()
        while self._is_word("or"):
            self._take()
            node = Either(node, self._both())
        self._depth -= 1
        return node

    def _both(self) -> Node:
        node = self._unary()
        while self._is_word("and"):
            self._take()
            node = Both(node, self._unary())
        return node

    def _unary(self) -> Node:
        if self._is_word("not"):
            self._take()
            self._depth += 1
            if self._depth > MAX_DEPTH:
                raise bad_request("Invalid filter clause: The node count limit has been exceeded.")
            node = Not(self._unary())
            self._depth -= 1
            return node
        kind, text, _ = self._peek()
        if kind == "mark" and text == "(":
            self._take()
            node = self._either()
            self._take_mark(")")
            return node
        return self._condition()

    def _condition(self) -> Node:
        kind, text, _ = self._take()
        if kind != "word":
            self._at -= 1
            raise self._error()
        lowered = text.lower()
        after = self._peek()
        if after[:2] == ("mark", "("):
            if lowered in FUNCTIONS:
                return self._call(lowered)
            if lowered.endswith("/any"):
                return self._any(text[: -len("/any")])
            raise bad_request(
                f"Invalid filter clause: An unknown function with name '{text[:50]}' was found."
            )
        operator = self._peek()
        if operator[0] == "word" and operator[1].lower() in COMPARISONS:
            self._take()
            return Compare(self._strip(text), operator[1].lower(), self._value())
        # A Boolean property may stand alone.
        return Compare(self._strip(text), "eq", True)

    def _call(self, function: str) -> Node:
        self._take_mark("(")
        kind, path, _ = self._take()
        if kind != "word":
            self._at -= 1
            raise self._error()
        self._take_mark(",")
        value = self._value()
        self._take_mark(")")
        node = Call(function, self._strip(path), str(value))
        if self._is_word("eq") or self._is_word("ne"):
            wanted = self._take()[1].lower() == "eq"
            truth = self._value()
            if not isinstance(truth, bool):
                raise self._error()
            return node if truth is wanted else Not(node)
        return node

    def _any(self, path: str) -> Node:
        self._take_mark("(")
        kind, variable, _ = self._take()
        if kind != "word":
            self._at -= 1
            raise self._error()
        self._take_mark(":")
        outer, self._variable = self._variable, variable
        condition = self._either()
        self._variable = outer
        self._take_mark(")")
        return Any_(path, condition)

    def _strip(self, path: str) -> str:
        if self._variable is None:
            return path
        if path == self._variable:
            return ""
        return path.removeprefix(f"{self._variable}/")

    def _value(self) -> Any:
        kind, text, _ = self._take()
        match kind:
            case "string":
                return text[1:-1].replace("''", "'")
            case "number":
                return float(text) if "." in text else int(text)
            case "datetime" | "date":
                return self._moment(text)
            case "word":
                known = {"true": True, "false": False, "null": None}
                if text.lower() in known:
                    return known[text.lower()]
                # An enum member in qualified form: microsoft.graph.importance'high'.
                if self._peek()[0] == "string":
                    return self._value()
            case _:
                pass
        self._at -= 1
        raise self._error()

    def _moment(self, text: str) -> datetime:
        try:
            # Seven digits of a second are common on the wire; Python reads six.
            # A plus that was not encoded has become a space on the way.
            moment = datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text).replace(" ", "+"))
        except ValueError as error:
            self._at -= 1
            raise self._error() from error
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def compile_filter(node: Node, getters: Mapping[str, Getter], type_name: str) -> Callable[[Any], bool]:
    """Return a test for items.

    Args:
        getters: How to read each property that may be filtered by, keys in lower case; a None value marks a property
            that exists but cannot be filtered by.

    Raises:
        GraphError: The filter names something unknown or not filterable.
    """
    match node:
        case Both(left=left, right=right):
            first, second = (
                compile_filter(left, getters, type_name),
                compile_filter(right, getters, type_name),
            )
            return lambda item: first(item) and second(item)
        case Either(left=left, right=right):
            first, second = (
                compile_filter(left, getters, type_name),
                compile_filter(right, getters, type_name),
            )
            return lambda item: first(item) or second(item)
        case Not(inside=inside):
            test = compile_filter(inside, getters, type_name)
            return lambda item: not test(item)
        case Compare(path=path, operator=operator, value=value):
            return _comparison(find_getter(path, getters, type_name), operator, value)
        case Call(function=function, path=path, value=value):
            return _text_test(find_getter(path, getters, type_name), function, value)
        case Any_(path=path, condition=condition):
            getter = find_getter(path, getters, type_name)
            inner = compile_filter(condition, _ELEMENT_GETTERS, "element")
            return lambda item: any(inner(element) for element in getter(item) or ())


_ELEMENT_GETTERS: dict[str, Getter] = {
    "": lambda element: element,
    "id": lambda element: element[0],
    "value": lambda element: element[1],
}


def find_getter(path: str, getters: Mapping[str, Getter], type_name: str) -> Getter:
    """Return how to read a property; raises GraphError for unknown ones and those that cannot be filtered by."""
    getter = getters.get(path.lower())
    if getter is not None:
        return getter
    root = path.split("/")[0]
    if f"!{root.lower()}" in getters or root.lower() in getters:
        raise GraphError(
            400, "ErrorInvalidUrlQueryFilter", "The query filter contains one or more invalid nodes."
        )
    raise bad_request(
        f"Could not find a property named '{root[:80]}' on type '{type_name}'.", "RequestBroker--ParseUri"
    )


def _comparison(getter: Getter, operator: str, value: Any) -> Callable[[Any], bool]:
    wanted = _comparable(value)

    def test(item: Any) -> bool:
        found = _comparable(getter(item))
        if operator == "eq":
            return _same(found, wanted)
        if operator == "ne":
            return not _same(found, wanted)
        if found is None or wanted is None:
            return False
        left, right = _alike(found, wanted)
        try:
            match operator:
                case "gt":
                    return left > right
                case "ge":
                    return left >= right
                case "lt":
                    return left < right
                case _:
                    return left <= right
        except TypeError as error:
            raise bad_request(
                "Invalid filter clause: A binary operator with incompatible types was detected."
            ) from error

    return test


def _comparable(value: Any) -> Any:
    if isinstance(value, str):
        return value.casefold()
    if isinstance(value, datetime) or not isinstance(value, date):
        return value
    return datetime(value.year, value.month, value.day, tzinfo=UTC)


def _same(found: Any, wanted: Any) -> bool:
    left, right = _alike(found, wanted)
    return left == right


def _alike(found: Any, wanted: Any) -> tuple[Any, Any]:
    """Bring a text and a moment or truth to one type; Outlook compares such pairs by their meaning."""
    if isinstance(found, datetime) and isinstance(wanted, str):
        try:
            moment = datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", wanted.upper()))
        except ValueError:
            return found, wanted
        return found, moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    if isinstance(found, str) and isinstance(wanted, bool):
        return found, str(wanted).lower()
    if isinstance(found, str) and isinstance(wanted, (int, float)):
        return found, str(wanted)
    return found, wanted


def _text_test(getter: Getter, function: str, value: str) -> Callable[[Any], bool]:
    wanted = value.casefold()

    def test(item: Any) -> bool:
        found = getter(item)
        if found is None:
            return False
        text = str(found).casefold()
        if function == "startswith":
            return text.startswith(wanted)
        if function == "endswith":
            return text.endswith(wanted)
        return wanted in text

    return test
