"""FindItem: the items of a folder, by page, restriction and order; or the events of a calendar in a window of time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from m365_emulator.ews import xml
from m365_emulator.ews.batch import each
from m365_emulator.ews.call import Call
from m365_emulator.ews.faults import ResponseError, schema_violation
from m365_emulator.ews.paging import MAX_FOUND, MAX_FOUND_WITH_RESTRICTION, Page, number, page, whole
from m365_emulator.ews.restriction import read_getter, read_restriction, sort_key
from m365_emulator.ews.shapes import read_item_shape
from m365_emulator.ews.soap import Node, elements
from m365_emulator.ews.targets import FolderTarget, folder_target, listed
from m365_emulator.ews.view import View
from m365_emulator.world.mailbox import CalendarEvent, Folder, Item, Message, recurrence, search

# A view may not be longer than two years, which Exchange checks in days.
_MAX_VIEW = timedelta(days=2 * 366)


def find_item(call: Call) -> str:
    """Answer one message per parent folder.

    Source: https://learn.microsoft.com/exchange/client-developer/web-service-reference/finditem-operation
    """
    traversal = call.body.get("Traversal")
    if traversal not in {"Shallow", "SoftDeleted", "Associated"}:
        raise schema_violation("The 'Traversal' attribute is invalid.")

    def answer(node: Node) -> str:
        shape = read_item_shape(call.body.find(f"{xml.M}ItemShape"), for_find=True)
        target = folder_target(call, node)
        view = call.view(target.mailbox, shape)
        window = _child(call, "CalendarView")
        if window is not None:
            found = _calendar_view(call, target, window)
        else:
            found = _listing(call, view, target.folder, normal=traversal == "Shallow")
        inner = "".join([shape.element(view, item) for item in found.found])
        return xml.element("m:RootFolder", f"<t:Items>{inner}</t:Items>", found.attributes)

    return each("FindItem", listed(call, "ParentFolderIds"), answer)


def _child(call: Call, name: str) -> Node | None:
    return call.body.find(f"{xml.M}{name}")


def _listing(call: Call, view: View, folder: Folder, *, normal: bool) -> Page[Item]:
    if _child(call, "GroupBy") is not None or _child(call, "DistinguishedGroupBy") is not None:
        raise ResponseError("ErrorUnsupportedPathForSortGroup", "Grouping is not available.")
    test = read_restriction(call, _child(call, "Restriction"))
    query = (call.body.findtext(f"{xml.M}QueryString") or "").strip()
    found: Sequence[Item] = newest_first(folder) if normal else ()
    if test is not None:
        found = [item for item in found if test(view, item)]
    if query:
        matches = search.compile_search(query, view.mailbox.now())
        found = [item for item in found if isinstance(item, Message) and matches(item)]
    found = _sorted(call, view, found)
    limit = MAX_FOUND_WITH_RESTRICTION if test is not None or query else MAX_FOUND
    seek = _child(call, "SeekToConditionPageItemView")
    if seek is not None:
        return _seek(call, view, found, seek, limit)
    window = _child(call, "IndexedPageItemView")
    return page(found, window if window is not None else _child(call, "FractionalPageItemView"), limit=limit)


def newest_first(folder: Folder) -> Sequence[Item]:
    """Return the items of a folder in the order Exchange lists them when none is asked for."""
    return folder.newest_first("ews", _arrival)


def _arrival(item: Item) -> tuple[datetime, int]:
    stamp = item.received_at if isinstance(item, Message) and item.received_at.year > 1 else item.created_at
    return stamp, item.identity


def _sorted(call: Call, view: View, found: Sequence[Item]) -> Sequence[Item]:
    order = _child(call, "SortOrder")
    if order is None:
        return found
    criteria = [_criterion(node) for node in elements(order)]
    if len(criteria) == 1 and _is_newest_first(criteria[0]):
        # `found` is in this order already; most clients ask for it, for every page of a large folder.
        return found
    # Python's sort is stable, so sorting by the last criterion first leaves the first one in charge.
    for path, direction in reversed(criteria):
        get = read_getter(path)
        found = sorted(
            found, key=lambda item, get=get: sort_key(get(view, item)), reverse=direction == "Descending"
        )
    return found


def _criterion(node: Node) -> tuple[Node, str]:
    paths = elements(node)
    direction = node.get("Order")
    if len(paths) != 1 or direction not in {"Ascending", "Descending"}:
        raise schema_violation("The element 'FieldOrder' is invalid.")
    return paths[0], direction


def _is_newest_first(criterion: tuple[Node, str]) -> bool:
    path, direction = criterion
    return direction == "Descending" and path.get("FieldURI") == "item:DateTimeReceived"


def _seek(call: Call, view: View, found: Sequence[Item], seek: Node, limit: int) -> Page[Item]:
    test = read_restriction(call, seek.find(f"{xml.T}Condition"))
    if test is None:
        raise schema_violation("The element 'SeekToConditionPageItemView' has incomplete content.")
    most = min(number(seek, "MaxEntriesReturned", default=limit), limit)
    positions = range(len(found)) if seek.get("BasePoint") != "End" else range(len(found) - 1, -1, -1)
    first = next((at for at in positions if test(view, found[at])), len(found))
    chosen = found[first : first + most]
    attributes = {
        "IndexedPagingOffset": str(first + len(chosen)),
        "TotalItemsInView": str(len(found)),
        "IncludesLastItemInRange": xml.boolean(first + len(chosen) >= len(found)),
    }
    return Page(chosen, attributes)


def _calendar_view(call: Call, target: FolderTarget, window: Node) -> Page[Item]:
    if not target.folder.is_calendar:
        raise ResponseError(
            "ErrorCalendarFolderIsInvalidForCalendarView", "CalendarView is for calendar folders only."
        )
    if any(_child(call, name) is not None for name in ("Restriction", "SortOrder", "QueryString")):
        raise ResponseError(
            "ErrorInvalidRestriction", "A CalendarView cannot be combined with a restriction or order."
        )
    start, end = call.moment(window.get("StartDate") or ""), call.moment(window.get("EndDate") or "")
    if end < start:
        raise ResponseError(
            "ErrorCalendarEndDateIsEarlierThanStartDate", "EndDate is earlier than StartDate."
        )
    if end - start > _MAX_VIEW:
        raise ResponseError(
            "ErrorCalendarViewRangeTooBig", "The specified view range exceeds the maximum of two years."
        )
    found = events_between(target.folder, start, end)
    most = number(window, "MaxEntriesReturned", default=MAX_FOUND + 1)
    if most <= 0:
        raise ResponseError("ErrorInvalidPagingMaxRows", "MaxEntriesReturned must be at least 1.")
    if min(most, len(found)) > MAX_FOUND:
        # A view that names a lower number is cut there; any other cannot be given, since views have no pages.
        raise ResponseError(
            "ErrorExceededFindCountLimit",
            "You have exceeded the maximum number of objects that can be returned for the find operation. "
            "Use paging to reduce the result size and try your request again.",
        )
    shown = whole(found[:most], total=len(found))
    shown.attributes["IncludesLastItemInRange"] = xml.boolean(len(shown.found) == len(found))
    return shown


def events_between(folder: Folder, start: datetime, end: datetime) -> list[Item]:
    """Return the single events and occurrences of a calendar that touch a window, by start."""
    found: list[CalendarEvent] = []
    for item in folder.items.values():
        if not isinstance(item, CalendarEvent):
            continue
        if item.kind == "seriesMaster":
            found.extend(recurrence.expand(item, start, end))
        elif (item.start < end and item.end > start) or (
            item.start == item.end and start <= item.start < end
        ):
            found.append(item)
    found.sort(key=lambda event: (event.start, event.identity))
    return list(found)
