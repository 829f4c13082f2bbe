"""Reading the query string of a Graph request."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import quote, unquote_plus

from m365_emulator.graph.errors import GraphError, bad_request

KNOWN = frozenset(
    {
        "select",
        "filter",
        "orderby",
        "top",
        "skip",
        "count",
        "search",
        "expand",
        "skiptoken",
        "deltatoken",
        "format",
    }
)
MAX_TOP = 1000
MAX_QUERY_CHARACTERS = 32_768


@dataclass(frozen=True, slots=True)
class Expansion:
    """One entry of $expand: the navigation property and the options in its parentheses."""

    name: str
    options: dict[str, str] = field(default_factory=dict[str, str])


@dataclass(slots=True)
class QueryOptions:
    """The options of one request; `others` are parameters without a dollar, keys in lower case."""

    select: tuple[str, ...] | None = None
    filter: str | None = None
    orderby: tuple[tuple[str, bool], ...] = ()
    """Path and whether descending."""
    top: int | None = None
    skip: int = 0
    count: bool = False
    search: str | None = None
    expand: tuple[Expansion, ...] = ()
    skiptoken: str | None = None
    deltatoken: str | None = None
    others: dict[str, str] = field(default_factory=dict[str, str])
    pairs: tuple[tuple[str, str], ...] = ()
    """Name and value as they came, decoded, in order."""

    def other(self, name: str) -> str | None:
        """Return a parameter without a dollar, name in any case."""
        return self.others.get(name.lower())

    def rewritten(self, **changes: str | int | None) -> str:
        """Return the query string with some options (named without the dollar) replaced, added or (None) removed."""
        kept = [(name, value) for name, value in self.pairs if name.lstrip("$").lower() not in changes]
        added = [(f"${name}", str(value)) for name, value in changes.items() if value is not None]
        return "&".join(f"{quote(name, safe='$')}={quote(value, safe='')}" for name, value in [*kept, *added])


def parse_options(query: str) -> QueryOptions:
    """Read a query string; `$top`, `%24top` and `+` for a space are all understood.

    Raises:
        GraphError: An option is unknown, given twice or has a value that cannot be.
    """
    if len(query) > MAX_QUERY_CHARACTERS:
        raise GraphError(414, "RequestUriTooLong", "The request URI is too long.")
    pairs: list[tuple[str, str]] = []
    for part in query.split("&"):
        if part:
            name, _, value = part.partition("=")
            pairs.append((unquote_plus(name), unquote_plus(value)))
    options = QueryOptions(pairs=tuple(pairs))
    seen: set[str] = set()
    for name, value in pairs:
        bare = name.lstrip("$").lower()
        if bare not in KNOWN:
            if name.startswith("$"):
                raise bad_request(f"The query parameter '{name[:50]}' is not supported.")
            options.others[name.lower()] = value
            continue
        if bare in seen:
            raise bad_request(
                f"Query option '${bare}' was specified more than once, but it must be specified at most once."
            )
        seen.add(bare)
        _set(options, bare, value)
    return options


def _set(options: QueryOptions, name: str, value: str) -> None:
    match name:
        case "select":
            options.select = tuple(part.strip() for part in value.split(",") if part.strip()) or None
        case "filter":
            options.filter = value.strip() or None
        case "orderby":
            options.orderby = tuple(_order(part) for part in value.split(",") if part.strip())
        case "top":
            options.top = _whole(name, value)
            if not 1 <= options.top <= MAX_TOP:
                raise bad_request(
                    f"Invalid value '{value[:20]}' for $top query option found. The $top query option requires a value "
                    f"between 1 and {MAX_TOP}."
                )
        case "skip":
            options.skip = _whole(name, value)
        case "count":
            if value.lower() not in ("true", "false"):
                raise bad_request(
                    f"Invalid value '{value[:20]}' for $count query option found. Valid values are 'true' and 'false'."
                )
            options.count = value.lower() == "true"
        case "search":
            options.search = value.strip() or None
        case "expand":
            options.expand = tuple(_expansions(value))
        case "skiptoken":
            options.skiptoken = value
        case "deltatoken":
            options.deltatoken = value
        case _:
            pass


def _whole(name: str, value: str) -> int:
    if not re.fullmatch(r"\d{1,9}", value.strip()):
        raise bad_request(
            f"Invalid value '{value[:20]}' for ${name} query option found. The ${name} query option requires a "
            "non-negative integer value."
        )
    return int(value)


def _order(part: str) -> tuple[str, bool]:
    words = part.split()
    if len(words) == 1 or (len(words) == 2 and words[1].lower() in ("asc", "desc")):
        return words[0], len(words) == 2 and words[1].lower() == "desc"
    raise bad_request(f"Syntax error at position 0 in '{part.strip()[:80]}'.")


def _expansions(value: str) -> list[Expansion]:
    found: list[Expansion] = []
    for part in _split_outside_parentheses(value, ","):
        text = part.strip()
        if not text:
            continue
        name, opening, inside = text.partition("(")
        if opening and not inside.endswith(")"):
            raise bad_request(f"Found an unbalanced bracket expression in '{value[:100]}'.")
        options: dict[str, str] = {}
        for option in _split_outside_parentheses(inside[:-1], ";"):
            key, equals, text = option.partition("=")
            if equals:
                options[key.strip().lstrip("$").lower()] = text.strip()
        found.append(Expansion(name.strip(), options))
    return found


def _split_outside_parentheses(text: str, separator: str) -> list[str]:
    parts, depth, start, quoted = [], 0, 0, False
    for position, character in enumerate(text):
        if character == "'":
            quoted = not quoted
        elif quoted:
            continue
        elif character == "(":
            depth += 1
        elif character == ")":
            depth -= 1
        elif character == separator and depth == 0:
            parts.append(text[start:position])
            start = position + 1
    if depth != 0:
        raise bad_request(f"Found an unbalanced bracket expression in '{text[:100]}'.")
    parts.append(text[start:])
    return parts
