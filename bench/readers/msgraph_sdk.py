"""msgraph-sdk, as its documentation shows it, asked for the same fields in pages of the same size."""

from __future__ import annotations

import asyncio
import time
import warnings
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
from order import Order, each_of, first_order, serve

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from azure.core.credentials import AccessToken
    from kiota_abstractions.base_request_configuration import RequestConfiguration
    from kiota_authentication_azure.azure_identity_authentication_provider import (
        AzureIdentityAuthenticationProvider,
    )
    from msgraph import GraphRequestAdapter, GraphServiceClient
    from msgraph.generated.users.item.calendar.calendar_view.calendar_view_request_builder import (
        CalendarViewRequestBuilder,
    )
    from msgraph.generated.users.item.messages.item.message_item_request_builder import (
        MessageItemRequestBuilder,
    )
    from msgraph.generated.users.item.messages.messages_request_builder import MessagesRequestBuilder
    from msgraph.graph_request_adapter import options
    from msgraph_core import GraphClientFactory

from ostiary.adapters.graph.codec.calendar import EVENT_FIELDS
from ostiary.adapters.graph.codec.mail import ATTACHMENT_EXPANSION, MESSAGE_FIELDS, SUMMARY_FIELDS


class Held:
    """A credential that has its token already."""

    def __init__(self, token: str) -> None:
        self._token = token

    def get_token(self, *_scopes: str, **_options: Any) -> AccessToken:
        return AccessToken(self._token, int(time.time()) + 3600)


def configuration(query: Any) -> Any:
    made = RequestConfiguration(query_parameters=query)
    made.headers.add("Prefer", 'IdType="ImmutableId"')
    return made


def reading(order: Order, client: Any) -> Callable[[], Awaitable[int]]:
    async def messages() -> int:
        query = MessagesRequestBuilder.MessagesRequestBuilderGetQueryParameters(
            top=order.page_size, select=SUMMARY_FIELDS.split(","), orderby=["receivedDateTime desc"]
        )
        return await _pages(client.me.messages, configuration(query))

    async def events() -> int:
        start, end = order.window_on_the_wire
        query = CalendarViewRequestBuilder.CalendarViewRequestBuilderGetQueryParameters(
            start_date_time=start,
            end_date_time=end,
            top=order.page_size,
            select=EVENT_FIELDS.split(","),
            orderby=["start/dateTime"],
        )
        return await _pages(client.me.calendar.calendar_view, configuration(query))

    async def bodies() -> int:
        query = MessageItemRequestBuilder.MessageItemRequestBuilderGetQueryParameters(
            select=MESSAGE_FIELDS.split(","), expand=[ATTACHMENT_EXPANSION]
        )
        asked = configuration(query)
        return await each_of(
            order.message_ids,
            order.at_once,
            lambda message_id: client.me.messages.by_message_id(message_id).get(asked),
        )

    return {"messages": messages, "bodies": bodies, "events": events}[order.what]


async def _pages(builder: Any, asked: Any) -> int:
    page = await builder.get(asked)
    count = len(page.value)
    while page.odata_next_link:
        page = await builder.with_url(page.odata_next_link).get()
        count += len(page.value)
    return count


async def main() -> None:
    order = first_order()
    async with httpx.AsyncClient(base_url=f"{order.url}/v1.0", trust_env=False, timeout=60) as http:
        made = GraphClientFactory.create_with_default_middleware(client=http, options=options)
        provider = AzureIdentityAuthenticationProvider(
            Held(order.token), scopes=["https://graph.microsoft.com/.default"]
        )
        client = GraphServiceClient(request_adapter=GraphRequestAdapter(provider, client=made))
        await serve(lambda asked: reading(asked, client))


warnings.simplefilter("ignore")
asyncio.run(main())
