"""EWS's streaming notifications: a subscription, and one long answer after another."""

from __future__ import annotations

import asyncio
import re
import uuid
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

import aiohttp

from ostiary.adapters.ews.errors import translate
from ostiary.adapters.ews.operations import get_streaming_events, subscribe
from ostiary.adapters.ews.response_code import fault_code, message_values, only_message
from ostiary.adapters.ews.session import EWSSession
from ostiary.adapters.ews.soap import Element, M, S, envelope, parse_body
from ostiary.core.connections.model import MailboxAccess
from ostiary.core.kernel.errors import OstiaryError, ProviderContractBroken, TemporarilyUnavailable
from ostiary.core.sync.streaming import StreamNews

CONNECTION_MINUTES: Final = 29
"""One less than Exchange allows: the connection ends as agreed, not cut by something on the way."""

SILENCE_SECONDS: Final = 120.0
"""Exchange sends a sign of life every some tens of seconds (ews.md §6); a longer silence is a dead connection."""

MOST_ENVELOPE_BYTES: Final = 1024 * 1024
_END: Final = re.compile(rb"</(?:[A-Za-z][A-Za-z0-9._-]*:)?Envelope\s*>")
_LOST: Final = frozenset(
    {
        "ErrorSubscriptionNotFound",
        "ErrorExpiredSubscription",
        "ErrorInvalidSubscription",
        "ErrorInvalidWatermark",
        "ErrorReadEventsFailed",
        "ErrorEventNotFound",
        "ErrorMissedNotificationEvents",
        "ErrorProxyRequestNotAllowed",
        "ErrorNewEventStreamConnectionOpened",
    }
)
"""Resubscribe; what was told meanwhile is lost. Source: ews.md §5."""


class EWSStreams:
    """``MailboxStreams`` over EWS."""

    def __init__(self, session: EWSSession, streams: aiohttp.ClientSession, *, endpoint_url: str) -> None:
        """``streams`` is a session of its own: answers that stay open must not use up the pool of all others."""
        self._session = session
        self._streams = streams
        self._endpoint_url = endpoint_url

    @asynccontextmanager
    async def listen(self, mailbox: MailboxAccess) -> AsyncGenerator[AsyncIterator[StreamNews]]:
        """Subscribe and listen; ends the subscription at the end.

        Source: EWS Subscribe and GetStreamingEvents operations.
        """
        held: list[str] = []
        try:
            yield self._news(mailbox, held)
        finally:
            for subscription_id in held:
                with suppress(OstiaryError):
                    await self._session.call(
                        mailbox, subscribe.UNSUBSCRIBE, subscribe.end_request(subscription_id)
                    )

    async def _news(self, mailbox: MailboxAccess, held: list[str]) -> AsyncIterator[StreamNews]:
        while True:
            response = await self._session.call(mailbox, subscribe.SUBSCRIBE, subscribe.request())
            subscription_id = subscribe.subscription_id(only_message(response))
            held[:] = [subscription_id]
            is_new = True
            try:
                while True:
                    # A subscription outlives its connection: what happens in between is told by the next one.
                    async for heard in self._connection(mailbox, subscription_id):
                        if is_new:
                            is_new = False
                            yield StreamNews(is_opened=True)
                        if heard.has_news:
                            yield StreamNews(heard.folder_ids)
            except OstiaryError as error:
                code = error.provider.code if error.provider is not None else None
                if code not in _LOST:
                    raise
                held.clear()

    async def _connection(
        self, mailbox: MailboxAccess, subscription_id: str
    ) -> AsyncIterator[get_streaming_events.Heard]:
        token = await mailbox.access_token(False)
        headers = {
            "Authorization": f"Bearer {token.reveal()}",
            "Content-Type": "text/xml; charset=utf-8",
            "Accept": "text/xml",
            "client-request-id": str(uuid.uuid4()),
        }
        if mailbox.address.isprintable() and mailbox.address:
            headers["X-AnchorMailbox"] = mailbox.address
            headers["X-PreferServerAffinity"] = "true"
        body = get_streaming_events.request(subscription_id, minutes=CONNECTION_MINUTES)
        try:
            async with self._streams.post(
                self._endpoint_url,
                data=envelope(body),
                headers=headers,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(
                    total=(CONNECTION_MINUTES + 2) * 60, sock_connect=10, sock_read=SILENCE_SECONDS
                ),
            ) as response:
                if response.status not in (200, 500):
                    raise translate(response.status, None, response.headers)
                async for content in _envelopes(response.content):
                    heard = _heard(content, response)
                    yield heard
                    if heard.is_closed:
                        return
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise TemporarilyUnavailable(
                "Microsoft isn’t answering properly.", reason="microsoft_down"
            ) from error


def _heard(content: bytes, response: aiohttp.ClientResponse) -> get_streaming_events.Heard:
    body: Element = parse_body(content)
    if body.tag == f"{S}Fault":
        back_off, inner = message_values(body)
        raise translate(
            response.status,
            fault_code(body),
            response.headers,
            back_off_milliseconds=back_off,
            inner_code=inner,
        )
    if body.tag != f"{M}{get_streaming_events.OPERATION}Response":
        raise ProviderContractBroken("Microsoft answered another question than we asked.")
    return get_streaming_events.heard(body)


async def _envelopes(stream: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    """Yield one complete envelope after another; raises once one is larger than any honest one."""
    waiting = b""
    async for part in stream.iter_any():
        waiting += part
        while (end := _END.search(waiting)) is not None:
            yield waiting[: end.end()]
            waiting = waiting[end.end() :]
        if len(waiting) > MOST_ENVELOPE_BYTES:
            raise ProviderContractBroken("Microsoft gave an answer larger than we take.")
        await asyncio.sleep(0)
