"""exchangelib, asked for the same fields; its own pages and batches of 100."""

from __future__ import annotations

import asyncio
import os
import warnings
from collections.abc import Awaitable, Callable
from itertools import islice
from typing import Any

from order import Order, first_order, serve

os.environ["OAUTHLIB_INSECURE_TRANSPORT"] = "1"  # All readers speak plain HTTP here.
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from exchangelib import DELEGATE, UTC, Account, Configuration
    from exchangelib.credentials import OAuth2AuthorizationCodeCredentials

LISTED = (
    "parent_folder_id", "subject", "datetime_received", "categories", "importance", "is_draft", "datetime_sent",
    "has_attachments", "conversation_id", "is_read", "text_body", "to_recipients", "author", "message_id",
)  # fmt: skip
"""What our gateway lists, except the flag; ``text_body`` is left out where no body is asked for."""


def reading(order: Order, account: Any) -> Callable[[], Awaitable[int]]:
    def messages() -> int:
        names = [name for name in LISTED if name != "text_body"]
        found = account.inbox.all().order_by("-datetime_received").only(*names)
        found.page_size = found.chunk_size = order.page_size
        return sum(1 for _ in found)

    def bodies() -> int:
        found = account.inbox.all().order_by("-datetime_received")
        found.page_size = found.chunk_size = order.page_size
        names = [
            *LISTED[:-1],
            "message_id",
            "body",
            "headers",
            "attachments",
            "cc_recipients",
            "bcc_recipients",
        ]
        wanted = [name for name in names if name != "text_body"]
        return sum(1 for _ in islice(found.only(*wanted), len(order.message_ids)))

    def events() -> int:
        start, end = (each.astimezone(UTC) for each in order.window)
        return sum(1 for _ in account.calendar.view(start=start, end=end))

    chosen = {"messages": messages, "bodies": bodies, "events": events}[order.what]

    async def read() -> int:
        return chosen()

    return read


async def main() -> None:
    order = first_order()
    credentials = OAuth2AuthorizationCodeCredentials(
        access_token={"access_token": order.token, "token_type": "Bearer"}
    )
    config = Configuration(credentials=credentials, service_endpoint=f"{order.url}/EWS/Exchange.asmx")
    account = Account(
        order.address, config=config, autodiscover=False, access_type=DELEGATE, default_timezone=UTC
    )
    account.inbox.total_count  # noqa: B018 - opens the connection and finds the folders
    await serve(lambda asked: reading(asked, account))


warnings.simplefilter("ignore")
asyncio.run(main())
