"""What all delta queries share: where a round stands, and asking for items one by one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from ostiary.adapters.graph.client import GraphClient
from ostiary.adapters.graph.codec.json_shape import JSONObject, as_object, count, objects, optional_text, text
from ostiary.adapters.graph.errors import translate
from ostiary.adapters.graph.ids import path_segment
from ostiary.core.connections.model import MailboxAccess
from ostiary.core.kernel.errors import NotFound, ProviderContractBroken
from ostiary.core.sync.model import Item

MOST_IN_BATCH: Final = 20
"""Requests that Graph takes in one batch (graph.md §11)."""


def links(client: GraphClient, answer: JSONObject) -> tuple[str, bool]:
    """Return the link to go on with, and whether the round is complete.

    Raises:
        ProviderContractBroken: Neither link, or one that leads to another host; nothing was sent there (SR-45).

    Source: graph.md §6: each page has exactly one of the two.
    """
    following = client.next_link(answer)
    if following is not None:
        return following, False
    link = answer.get("@odata.deltaLink")
    if not isinstance(link, str) or not client.is_own_link(link):
        raise ProviderContractBroken("Microsoft gave an answer we do not understand (deltaLink).")
    return link, True


async def look(
    client: GraphClient,
    mailbox: MailboxAccess,
    item_ids: Sequence[str],
    *,
    path: str,
    query: str,
    read: Callable[[JSONObject], Item],
) -> dict[str, Item]:
    """Ask for items one by one, in batches; those that do not exist are left out.

    Args:
        path: Of the collection, such as ``/me/messages``.
        query: What is asked of each item, percent-encoded as needed.
    """
    found: dict[str, Item] = {}
    for start in range(0, len(item_ids), MOST_IN_BATCH):
        part = item_ids[start : start + MOST_IN_BATCH]
        requests = [
            {
                "id": str(number),
                "method": "GET",
                "url": f"{path}/{path_segment(item_id)}?{query}",
                "headers": {"Prefer": 'IdType="ImmutableId"'},
            }
            for number, item_id in enumerate(part)
        ]
        answer = await client.post(mailbox, "/$batch", {"requests": requests})
        responses = {text(response, "id"): response for response in objects(answer, "responses")}
        for number, item_id in enumerate(part):
            response = responses.get(str(number))
            if response is None:
                raise ProviderContractBroken("Microsoft did not answer every part of the question.")
            item = _item(response, read)
            if item is not None:
                found[item_id] = item
    return found


def _item(response: JSONObject, read: Callable[[JSONObject], Item]) -> Item | None:
    status = count(response, "status")
    body = response.get("body")
    if status == 200:
        return read(as_object(body, "body"))
    error = translate(status, _code(body), _headers(response.get("headers")))
    if isinstance(error, NotFound):
        return None
    raise error


def _code(body: object) -> str | None:
    if not isinstance(body, dict) or not isinstance(body.get("error"), dict):
        return None
    return optional_text(as_object(body["error"], "error"), "code")


def _headers(value: object) -> Mapping[str, str]:
    return {str(k): str(v) for k, v in as_object(value, "headers").items()} if value is not None else {}
