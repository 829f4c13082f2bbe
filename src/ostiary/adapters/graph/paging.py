"""Our cursors around Graph's next links."""

from __future__ import annotations

from collections.abc import Mapping

from ostiary.adapters.graph.client import GraphClient
from ostiary.adapters.graph.codec.json_shape import JSONObject
from ostiary.core.connections.model import MailboxAccess
from ostiary.core.kernel.cursor import unwrap_cursor, wrap_cursor
from ostiary.core.kernel.errors import InvalidRequest


async def read_page(
    client: GraphClient,
    mailbox: MailboxAccess,
    path: str,
    query: Mapping[str, str],
    cursor: str | None,
) -> tuple[JSONObject, str | None]:
    """Read the first page of a query, or the one that ``cursor`` names, and wrap the link to the next.

    A next link holds the whole query (graph.md §3), so a cursor is bound to the query it came from.

    Raises:
        InvalidRequest: The cursor is of another mailbox or query, or leads elsewhere.
        ProviderContractBroken: Graph gave a link to another host.
    """
    binding = "\n".join(("graph", mailbox.connection_id, path, *(f"{k}={v}" for k, v in query.items())))
    if cursor is None:
        answer = await client.get(mailbox, path, query)
    else:
        link = unwrap_cursor(cursor, binding=binding).get("next")
        if not isinstance(link, str) or not client.is_own_link(link):
            raise InvalidRequest(
                "This cursor does not belong to this list. Start without one.", field="cursor"
            )
        answer = await client.get_next(mailbox, link)
    following = client.next_link(answer)
    return answer, None if following is None else wrap_cursor({"next": following}, binding=binding)
