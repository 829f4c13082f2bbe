"""One page of a list: filter, search, order, skip, top, count and the next link."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from m365_emulator.graph.call import Call
from m365_emulator.graph.errors import GraphError, bad_request

from .filters import Getter, compile_filter, find_getter, parse_filter, paths_of


@dataclass(frozen=True, slots=True)
class Listing:
    """How one type is filtered and ordered; keys of `getters` in lower case, `!name` for what cannot be filtered by."""

    type_name: str
    getters: Mapping[str, Getter]
    default_top: int = 10
    sorted_by: tuple[str, bool] | None = None
    """The property that items come sorted by, and whether descending: asked for, it needs no sorting."""


@dataclass(slots=True)
class Page:
    """The items of a page, how many there are in all, and the link to the next one."""

    items: list[Any]
    total: int
    next_link: str | None


def select_page(
    call: Call,
    listing: Listing,
    items: Sequence[Any],
    *,
    search: Callable[[str], Callable[[Any], bool]] | None = None,
) -> Page:
    """Apply the query options of a call to items in their default order.

    Raises:
        GraphError: An option is wrong, or options do not go together.
    """
    options = call.options
    if options.search is not None:
        return _search_page(call, items, search)
    chosen: Sequence[Any] = items
    order_paths = [path for path, _ in options.orderby]
    for path in order_paths:
        find_getter(path, listing.getters, listing.type_name)
    if options.filter is not None:
        node = parse_filter(options.filter)
        test = compile_filter(node, listing.getters, listing.type_name)
        _check_order_fits(order_paths, list(paths_of(node)))
        chosen = [item for item in chosen if test(item)]
    if options.orderby and not _is_sorted(listing, options.orderby):
        chosen = _ordered(chosen, listing, options.orderby)
    top = options.top if options.top is not None else listing.default_top
    start = _start(call)
    page = list(chosen[start : start + top])
    more = start + len(page) < len(chosen) and bool(page)
    link = next_link(call, skip=start + len(page)) if more else None
    return Page(page, len(chosen), link)


def _is_sorted(listing: Listing, orderby: Sequence[tuple[str, bool]]) -> bool:
    if listing.sorted_by is None or len(orderby) != 1:
        return False
    (path, descending), (known, known_descending) = orderby[0], listing.sorted_by
    return path.lower() == known.lower() and descending is known_descending


def next_link(call: Call, **changes: str | int | None) -> str:
    """Return the request's own URL with some options changed."""
    return f"{call.url}?{call.options.rewritten(**changes)}"


def page_json(call: Call, page: Page, context: str, rendered: Iterable[Any]) -> dict[str, Any]:
    """Return the JSON of a page."""
    found: dict[str, Any] = {"@odata.context": context}
    if call.options.count:
        found["@odata.count"] = page.total
    found["value"] = list(rendered)
    if page.next_link is not None:
        found["@odata.nextLink"] = page.next_link
    return found


def _start(call: Call) -> int:
    token = call.options.skiptoken
    if token is None:
        return call.options.skip
    if not token.isdigit() or len(token) > 9:
        raise bad_request("The skip token is invalid.")
    return int(token)


def _search_page(
    call: Call, items: Sequence[Any], search: Callable[[str], Callable[[Any], bool]] | None
) -> Page:
    options = call.options
    text = options.search or ""
    if search is None:
        raise bad_request(
            "The query parameter '$search' is not supported for this resource.", "ErrorInvalidRequest"
        )
    if options.filter is not None:
        raise GraphError(
            400, "SearchWithFilter", "The query parameter '$filter' is not supported with '$search'."
        )
    if options.orderby:
        raise GraphError(
            400, "SearchWithOrderBy", "The query parameter '$orderBy' is not supported with '$search'."
        )
    if options.skip:
        raise GraphError(
            400, "SearchWithSkip", "The query parameter '$skip' is not supported with '$search'."
        )
    if len(text) < 2 or not (text.startswith('"') and text.endswith('"')):
        raise bad_request("Syntax error: the value of '$search' must be in double quotes.")
    test = search(text[1:-1].replace('\\"', '"'))
    found = [item for item in items if test(item)]
    found.sort(key=lambda item: item.sent_at, reverse=True)
    del found[1000:]
    top = options.top if options.top is not None else 25
    start = _start(call)
    page = found[start : start + top]
    more = start + len(page) < len(found)
    link = next_link(call, skiptoken=start + len(page)) if more else None
    return Page(page, len(found), link)


def _check_order_fits(order: list[str], filtered: list[str]) -> None:
    """Raise unless every property ordered by is filtered by first, in the same order.

    Source: Graph, list messages, using $filter and $orderby in the same query.
    """
    if not order:
        return
    seen = list(dict.fromkeys(path.lower() for path in filtered))
    if seen[: len(order)] != [path.lower() for path in order]:
        raise GraphError(
            400, "InefficientFilter", "The restriction or sort order is too complex for this operation."
        )


def _ordered(items: Sequence[Any], listing: Listing, orderby: Sequence[tuple[str, bool]]) -> list[Any]:
    found = list(items)
    for path, descending in reversed(orderby):
        getter = find_getter(path, listing.getters, listing.type_name)
        found.sort(key=lambda item: _sortable(getter(item)), reverse=descending)
    return found


def _sortable(value: Any) -> tuple[int, Any]:
    if value is None:
        return (0, 0)
    if isinstance(value, str):
        return (3, value.casefold())
    if isinstance(value, datetime):
        return (2, value.timestamp() if value.year > 1 else 0)
    if isinstance(value, (int, float)):
        return (1, value)
    return (4, str(value))
