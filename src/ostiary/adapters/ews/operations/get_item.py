"""GetItem: items by id, and the series that occurrences belong to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ostiary.adapters.ews.ids import ews_id
from ostiary.adapters.ews.operations.shape import item_shape
from ostiary.adapters.ews.soap import Element, M, attribute
from ostiary.core.kernel.errors import ProviderContractBroken

OPERATION: Final = "GetItem"


def request(
    item_ids: Sequence[str],
    *,
    fields: Sequence[str],
    body_type: str | None = None,
    include_mime: bool = False,
    masters_of: Sequence[str] = (),
) -> str:
    """Ask for items by the ids we gave out, then for the series masters of occurrences; one message each, in order.

    Source: EWS GetItem operation.
    """
    items = "".join(f"<t:ItemId Id={attribute(ews_id(item_id))}/>" for item_id in item_ids)
    masters = "".join(
        f"<t:RecurringMasterItemId OccurrenceId={attribute(ews_id(item_id))}/>" for item_id in masters_of
    )
    shape = item_shape(fields, body_type=body_type, include_mime=include_mime)
    return f"<m:GetItem>{shape}<m:ItemIds>{items}{masters}</m:ItemIds></m:GetItem>"


def item_of(message: Element) -> Element:
    """Return the item inside one response message."""
    listed = message.find(f"{M}Items")
    if listed is None or len(listed) != 1:
        raise ProviderContractBroken("Microsoft gave an answer we do not understand (Items).")
    return listed[0]
