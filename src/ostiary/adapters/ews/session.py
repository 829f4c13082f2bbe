"""HTTP for EWS: one POST per call, token, time-out, bounded answer, and what a fault means."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Final

import aiohttp

from ostiary.adapters.answer_bodies import BodyBudget
from ostiary.adapters.ews.errors import AnswerTooLarge, translate
from ostiary.adapters.ews.response_code import fault_code, message_values
from ostiary.adapters.ews.soap import MOST_ANSWER_BYTES, Element, M, S, envelope, parse_body
from ostiary.adapters.http_session import payload_of
from ostiary.core.connections.model import MailboxAccess
from ostiary.core.governor.governor import Governor
from ostiary.core.governor.model import MailboxKey
from ostiary.core.kernel.access_method import AccessMethod
from ostiary.core.kernel.errors import (
    OstiaryError,
    ProviderContractBroken,
    ReauthorizationRequired,
    TemporarilyUnavailable,
)

STREAM_TIMEOUT: Final = aiohttp.ClientTimeout(total=900, connect=10, sock_read=120)
"""200 MB of base64 at no less than 230 kB a second, and no silence longer than two minutes."""
_LARGE_ANSWER_BYTES: Final = 256 * 1024
"""Parsing more than this takes longer than other requests should wait for; lxml lets other threads run."""


class EWSSession:
    """Calls EWS for one mailbox at a time, on a shared HTTP session. Raises what ``MailGateway`` documents."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        *,
        endpoint_url: str,
        timeout_seconds: float = 60.0,
        governor: Governor | None = None,
        bodies: BodyBudget | None = None,
    ) -> None:
        """``endpoint_url`` is the full address, such as ``https://outlook.office365.com/EWS/Exchange.asmx``.

        Without a ``governor`` the limits of a mailbox hold within this session only, and without ``bodies`` those of
        what answers may take up together.
        """
        self._session = session
        self._endpoint_url = endpoint_url
        self._timeout_seconds = timeout_seconds
        self._governor = governor or Governor()
        self._bodies = bodies or BodyBudget()

    async def call(self, mailbox: MailboxAccess, operation: str, body: str) -> Element:
        """Send one request and return its response element.

        Args:
            operation: Such as ``FindItem``; the answer must be its response.
            body: The request element as XML.
        """
        data = envelope(body)
        try:
            response = await self._attempt(mailbox, data, fresh_token=False)
        except ReauthorizationRequired:
            # The token may have died early: one fresh one, then it is the person's turn.
            response = await self._attempt(mailbox, data, fresh_token=True)
        return _expected(response, operation)

    @asynccontextmanager
    async def stream(self, mailbox: MailboxAccess, body: str) -> AsyncGenerator[aiohttp.ClientResponse]:
        """Send one request and open its answer for reading as it comes, once Exchange said that there is one."""
        data = envelope(body)
        async with self._turn(mailbox):
            response = await self._open(mailbox, data, fresh_token=False)
            if response.status == 401:
                response.release()
                response = await self._open(mailbox, data, fresh_token=True)
            async with response:
                if response.status != 200:
                    await self._answer_of(response)
                yield response

    async def send_stream(
        self, mailbox: MailboxAccess, operation: str, parts: AsyncIterator[bytes], size_bytes: int
    ) -> Element:
        """Send a request whose envelope comes as a stream of exactly ``size_bytes``; return its response element.

        Raises:
            TemporarilyUnavailable: No usable answer, or the token was refused: a stream cannot be sent again from
                here, so the caller has to begin anew.
        """
        headers = await self._headers(mailbox, fresh_token=False)
        headers["Content-Length"] = str(size_bytes)
        failure: list[OstiaryError] = []

        async def watched() -> AsyncGenerator[bytes]:
            try:
                async for part in parts:
                    yield part
            except OstiaryError as error:
                # aiohttp would bury it in an error of the connection.
                failure.append(error)
                raise

        try:
            async with self._turn(mailbox):
                response = await self._post(watched(), headers, STREAM_TIMEOUT)
                async with response:
                    answer = await self._answer_of(response)
        except ReauthorizationRequired as error:
            await mailbox.access_token(True)
            raise _down() from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise (failure[0] if failure else _down()) from error
        return _expected(answer, operation)

    async def _open(
        self, mailbox: MailboxAccess, data: bytes, *, fresh_token: bool
    ) -> aiohttp.ClientResponse:
        headers = await self._headers(mailbox, fresh_token=fresh_token)
        try:
            return await self._post(data, headers, STREAM_TIMEOUT)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise _down() from error

    async def _headers(self, mailbox: MailboxAccess, *, fresh_token: bool) -> dict[str, str]:
        token = await mailbox.access_token(fresh_token)
        headers = {
            "Authorization": f"Bearer {token.reveal()}",
            "Content-Type": "text/xml; charset=utf-8",
            "Accept": "text/xml",
            "client-request-id": str(uuid.uuid4()),
            "return-client-request-id": "true",
        }
        if mailbox.address.isprintable() and mailbox.address:
            # Routes the call to the server that holds the mailbox (ews.md §2). It comes from outside: an address
            # that could break a header is not sent (SR-92).
            headers["X-AnchorMailbox"] = mailbox.address
        return headers

    async def _post(
        self, data: bytes | AsyncIterator[bytes], headers: dict[str, str], limits: aiohttp.ClientTimeout
    ) -> aiohttp.ClientResponse:
        body = payload_of(data) if isinstance(data, bytes) else data
        return await self._session.post(
            self._endpoint_url, data=body, headers=headers, allow_redirects=False, timeout=limits
        )

    async def _attempt(self, mailbox: MailboxAccess, data: bytes, *, fresh_token: bool) -> Element:
        headers = await self._headers(mailbox, fresh_token=fresh_token)
        limits = aiohttp.ClientTimeout(total=self._timeout_seconds, connect=10)
        try:
            async with (
                self._turn(mailbox),
                asyncio.timeout(self._timeout_seconds),
                await self._post(data, headers, limits) as response,
            ):
                return await self._answer_of(response)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise _down() from error

    async def _answer_of(self, response: aiohttp.ClientResponse) -> Element:
        if response.status not in (200, 500):
            raise translate(response.status, None, response.headers)
        async with self._bodies.body(
            response, most_bytes=MOST_ANSWER_BYTES, too_large=AnswerTooLarge
        ) as content:
            body = await _parse(bytes(content), response.status)
        if body.tag == f"{S}Fault":
            back_off, inner = message_values(body)
            raise translate(
                response.status,
                fault_code(body),
                response.headers,
                back_off_milliseconds=back_off,
                inner_code=inner,
            )
        if response.status != 200:
            raise translate(response.status, None, response.headers)
        return body

    def _turn(self, mailbox: MailboxAccess) -> AbstractAsyncContextManager[None]:
        key = MailboxKey(AccessMethod.EWS, mailbox.tenant_id, mailbox.object_id)
        return self._governor.turn(key, mailbox.urgency)


def _expected(response: Element, operation: str) -> Element:
    if response.tag != f"{M}{operation}Response":
        raise ProviderContractBroken("Microsoft answered another question than we asked.")
    return response


def _down() -> TemporarilyUnavailable:
    return TemporarilyUnavailable("Microsoft isn’t answering properly.", reason="microsoft_down")


async def _parse(content: bytes, status: int) -> Element:
    try:
        if len(content) > _LARGE_ANSWER_BYTES:
            return await asyncio.to_thread(parse_body, content)
        return parse_body(content)
    except OstiaryError:
        if status != 200:
            raise translate(status, None, {}) from None
        raise
