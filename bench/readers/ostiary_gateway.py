"""Our gateways, with the governor on the database as the product wires it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from order import Order, each_of, first_order, serve

from ostiary.adapters.ews.calendar import EWSCalendarGateway
from ostiary.adapters.ews.mail import EWSMailGateway
from ostiary.adapters.ews.session import EWSSession
from ostiary.adapters.graph.calendar import GraphCalendarGateway
from ostiary.adapters.graph.client import GraphClient
from ostiary.adapters.graph.mail import GraphMailGateway
from ostiary.adapters.http_session import create_session
from ostiary.adapters.sql.engine import create_engine
from ostiary.adapters.sql.unit_of_work import SQLTransactions
from ostiary.core.calendar.ports import CalendarGateway
from ostiary.core.connections.model import MailboxAccess
from ostiary.core.governor.governor import Governor
from ostiary.core.governor.model import Limits
from ostiary.core.kernel.clock import SystemClock
from ostiary.core.kernel.entropy import SystemEntropy
from ostiary.core.kernel.reach import Duty, declare, instance_wide
from ostiary.core.kernel.secret import Secret
from ostiary.core.mail.batches import MOST_MESSAGES
from ostiary.core.mail.model import Message
from ostiary.core.mail.ports import MailGateway


async def main() -> None:
    order = first_order()
    declare(instance_wide(Duty.WORKER))
    token = Secret(order.token)

    async def access_token(_fresh: bool) -> Secret:
        return token

    mailbox = MailboxAccess("con_bench", order.tenant_id, order.object_id, order.address, access_token)
    engine = create_engine(order.database_url, pool_size=5)
    transactions = SQLTransactions(engine, clock=SystemClock(), entropy=SystemEntropy())
    governor = Governor(limits=Limits(most_calls=1_000_000), transactions=transactions, holder="bench")
    async with create_session(user_agent="ostiary-bench") as session:
        mail: MailGateway
        calendar: CalendarGateway
        if order.method == "graph":
            client = GraphClient(session, host_url=order.url, governor=governor)
            mail, calendar = GraphMailGateway(client), GraphCalendarGateway(client)
        else:
            ews = EWSSession(session, endpoint_url=f"{order.url}/EWS/Exchange.asmx", governor=governor)
            mail, calendar = EWSMailGateway(ews), EWSCalendarGateway(ews)
        await serve(lambda asked: _reading(asked, mailbox, mail, calendar))
    await governor.close()
    await engine.dispose()


def _reading(
    order: Order, mailbox: MailboxAccess, mail: MailGateway, calendar: CalendarGateway
) -> Callable[[], Awaitable[int]]:
    starts_at, ends_at = order.window
    folder_id = "inbox" if order.method == "ews" else None

    async def messages() -> int:
        count, cursor = 0, None
        while True:
            page = await mail.list_messages(
                mailbox, folder_id=folder_id, cursor=cursor, limit=order.page_size
            )
            count, cursor = count + len(page.items), page.next_cursor
            if cursor is None:
                return count

    async def bodies() -> int:
        if order.method == "ews":
            return await in_batches()
        return await each_of(
            order.message_ids, order.at_once, lambda message_id: mail.get_message(mailbox, message_id)
        )

    async def in_batches() -> int:
        ids = order.message_ids
        left = iter([ids[start : start + MOST_MESSAGES] for start in range(0, len(ids), MOST_MESSAGES)])

        async def reader() -> int:
            count = 0
            for part in left:
                outcomes = await mail.get_messages(mailbox, part)
                count += sum(isinstance(outcome, Message) for outcome in outcomes)
            return count

        return sum(await asyncio.gather(*(reader() for _ in range(order.at_once))))

    async def events() -> int:
        count, cursor = 0, None
        while True:
            page = await calendar.list_events(
                mailbox, starts_at=starts_at, ends_at=ends_at, cursor=cursor, limit=order.page_size
            )
            count, cursor = count + len(page.items), page.next_cursor
            if cursor is None:
                return count

    return {"messages": messages, "bodies": bodies, "events": events}[order.what]


asyncio.run(main())
