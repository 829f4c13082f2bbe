"""O365, asked for the same fields in pages of the same size. It makes one call at a time; it knows no other way."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Awaitable, Callable
from typing import Any

from order import Order, first_order, serve

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from O365 import Account, MSGraphProtocol
    from O365.utils.token import MemoryTokenBackend

from ostiary.adapters.graph.codec.mail import SUMMARY_FIELDS


def reading(order: Order, account: Any) -> Callable[[], Awaitable[int]]:
    mailbox = account.mailbox()

    def messages() -> int:
        query = mailbox.new_query().select(*SUMMARY_FIELDS.split(","))
        found = mailbox.get_messages(
            limit=None, query=query, order_by="receivedDateTime desc", batch=order.page_size
        )
        return sum(1 for _ in found)

    def bodies() -> int:
        return sum(mailbox.get_message(object_id=each) is not None for each in order.message_ids)

    def events() -> int:
        start, end = order.window
        found = (
            account.schedule()
            .get_default_calendar()
            .get_events(
                limit=None,
                include_recurring=True,
                start_recurring=start,
                end_recurring=end,
                order_by="start/dateTime",
                batch=order.page_size,
            )
        )
        return sum(1 for _ in found)

    chosen = {"messages": messages, "bodies": bodies, "events": events}[order.what]

    async def read() -> int:
        return chosen()

    return read


async def main() -> None:
    order = first_order()

    class Protocol(MSGraphProtocol):
        _protocol_url = f"{order.url}/"

    account = Account(
        ("client", "secret"),
        protocol=Protocol(),
        token_backend=MemoryTokenBackend(),
        requests_delay=0,
        tenant_id=order.tenant_id,
        default_headers={"Prefer": 'IdType="ImmutableId"'},
    )
    # Its sign-in knows only Microsoft's own host; it gets the token that all others use.
    session = account.connection.get_session(load_token=False)
    session.headers["Authorization"] = f"Bearer {order.token}"
    session.trust_env = False
    account.connection.session = session
    await serve(lambda asked: reading(asked, account))


warnings.simplefilter("ignore")
asyncio.run(main())
