"""One HTTP client for all Graph calls: token, time-out, bounded bodies, and where a bearer token may go."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncGenerator, Collection, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Final
from urllib.parse import quote, urlencode, urlsplit

import aiohttp
import orjson
from yarl import URL

from ostiary.adapters.answer_bodies import BodyBudget
from ostiary.adapters.graph.codec.json_shape import JSONObject, parse_object
from ostiary.adapters.graph.errors import translate
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

API_VERSION: Final = "v1.0"
MOST_BODY_BYTES: Final = 32 * 1024 * 1024
"""More than Graph's largest page of messages; a bigger body is an attack or a fault (SR-91)."""

STREAM_TIMEOUT: Final = aiohttp.ClientTimeout(total=900, connect=10, sock_read=60)
"""150 MB at no less than 170 kB a second, and no silence longer than a minute."""
UPLOAD_PART_SECONDS: Final = 120.0
"""For one part of at most 4 MB."""

_IMMUTABLE_IDS: Final = 'IdType="ImmutableId"'
"""Ids then survive a move inside the mailbox; must be asked for on every call (graph.md §4)."""


class GraphClient:
    """Calls Graph for one mailbox at a time, on a shared session.

    Every method raises what ``MailGateway`` documents. No redirect is followed, so that a bearer token never
    leaves for another host.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        *,
        host_url: str,
        upload_urls: Collection[str] = (),
        timeout_seconds: float = 30.0,
        governor: Governor | None = None,
        bodies: BodyBudget | None = None,
    ) -> None:
        """``host_url`` is the cloud's Graph host, such as ``https://graph.microsoft.com``, without a version.

        Args:
            upload_urls: Origins besides it that upload addresses may lead to, such as ``https://outlook.office.com``.
            governor: Gives every call its turn; None keeps the limits within this client.
            bodies: What answers may take up together; None keeps that within this client.
        """
        self._session = session
        self._root = f"{host_url.rstrip('/')}/{API_VERSION}"
        self._origin = _origin(self._root)
        self._upload_origins = {self._origin, *(_origin(url) for url in upload_urls)}
        self._timeout_seconds = timeout_seconds
        self._governor = governor or Governor()
        self._bodies = bodies or BodyBudget()

    async def get(
        self,
        mailbox: MailboxAccess,
        path: str,
        query: Mapping[str, str] | None = None,
        *,
        prefer: str | None = None,
    ) -> JSONObject:
        """Read ``path`` (already percent-encoded, starting with ``/me``).

        Args:
            prefer: One more preference, such as ``outlook.body-content-type="text"``.
        """
        return await self._call(mailbox, "GET", self._url(path, query), None, _preferring(prefer))

    @asynccontextmanager
    async def stream(self, mailbox: MailboxAccess, path: str) -> AsyncGenerator[aiohttp.ClientResponse]:
        """Open ``path`` for reading its bytes as they come; errors before the first byte are ours.

        The call counts as one of the mailbox's at once until it is read.
        """
        async with self._turn(mailbox):
            response = await self._open(mailbox, path, fresh_token=False)
            if response.status == 401:
                response.release()
                response = await self._open(mailbox, path, fresh_token=True)
            async with response:
                if response.status != 200:
                    async with self._body(response) as content:
                        raise _error_of(response, content)
                yield response

    async def _open(self, mailbox: MailboxAccess, path: str, *, fresh_token: bool) -> aiohttp.ClientResponse:
        token = await mailbox.access_token(fresh_token)
        try:
            return await self._session.get(
                URL(self._url(path, None), encoded=True),
                headers={
                    "Authorization": f"Bearer {token.reveal()}",
                    "Prefer": _IMMUTABLE_IDS,
                    "client-request-id": str(uuid.uuid4()),
                },
                allow_redirects=False,
                timeout=STREAM_TIMEOUT,
            )
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise TemporarilyUnavailable(
                "Microsoft isn’t answering properly.", reason="microsoft_down"
            ) from error

    async def upload(
        self, mailbox: MailboxAccess, method: str, url: str, data: bytes, headers: Mapping[str, str]
    ) -> tuple[int, Mapping[str, str], bytes]:
        """Call an upload address that Graph gave, without a token: the address carries its own key (graph.md §1).

        Returns:
            Status, headers and body, whatever the status.

        Raises:
            ProviderContractBroken: The address leads to a host that is not Microsoft's; nothing was sent (SR-45).
            TemporarilyUnavailable: No answer; the part may have arrived.
        """
        if not self.is_upload_link(url):
            raise _foreign_link()
        try:
            async with (
                self._turn(mailbox),
                asyncio.timeout(UPLOAD_PART_SECONDS),
                self._session.request(
                    method,
                    URL(url, encoded=True),
                    data=payload_of(data),
                    headers=headers,
                    allow_redirects=False,
                    timeout=aiohttp.ClientTimeout(total=UPLOAD_PART_SECONDS, connect=10),
                ) as response,
                self._body(response) as content,
            ):
                return response.status, response.headers, bytes(content)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise TemporarilyUnavailable(
                "Microsoft isn’t answering properly.", reason="microsoft_down"
            ) from error

    async def get_next(
        self, mailbox: MailboxAccess, next_link: str, *, prefer: str | None = None
    ) -> JSONObject:
        """Read a next page by the link that Graph gave; see :meth:`is_own_link`. ``prefer`` as in :meth:`get`."""
        if not self.is_own_link(next_link):
            raise _foreign_link()
        return await self._call(mailbox, "GET", next_link, None, _preferring(prefer))

    async def post(self, mailbox: MailboxAccess, path: str, body: object) -> JSONObject:
        """Post JSON; only for calls that change nothing, since a refused token repeats the call."""
        return await self._call(mailbox, "POST", self._url(path, None), orjson.dumps(body))

    async def change(
        self,
        mailbox: MailboxAccess,
        method: str,
        path: str,
        body: object = None,
        *,
        if_match: str | None = None,
    ) -> JSONObject:
        """Create, change or delete; return the answer, an empty object where Graph answers without a body.

        Args:
            method: ``POST``, ``PATCH`` or ``DELETE``.
            if_match: The change key that the object must still have (graph.md §4).

        Raises:
            TemporarilyUnavailable: No usable answer: the change may have been made or not. Nothing is repeated
                here, except after a refused token, since Graph does nothing for one.
        """
        data = None if body is None else orjson.dumps(body)
        extra = {} if if_match is None else {"If-Match": f'W/"{if_match}"'}
        return await self._call(mailbox, method, self._url(path, None), data, extra)

    def next_link(self, answer: JSONObject) -> str | None:
        """Return the link to the next page, checked, or None on the last page.

        Raises:
            ProviderContractBroken: The link leads to another host; nothing was sent there (SR-45).
        """
        link = answer.get("@odata.nextLink")
        if link is None:
            return None
        if not isinstance(link, str) or not self.is_own_link(link):
            raise _foreign_link()
        return link

    def is_own_link(self, link: str) -> bool:
        """Whether ``link`` stays on the configured host and API version (SR-45)."""
        return _is_link_to(link, {self._origin}) and urlsplit(link).path.startswith(f"/{API_VERSION}/")

    def is_upload_link(self, link: str) -> bool:
        """Whether ``link`` leads to a host that takes uploads in this cloud (SR-45)."""
        return _is_link_to(link, self._upload_origins)

    def _url(self, path: str, query: Mapping[str, str] | None) -> str:
        return f"{self._root}{path}" + (f"?{urlencode(query, quote_via=quote)}" if query else "")

    async def _call(
        self,
        mailbox: MailboxAccess,
        method: str,
        url: str,
        body: bytes | None,
        extra: Mapping[str, str] | None = None,
    ) -> JSONObject:
        try:
            return await self._attempt(mailbox, method, url, body, extra or {}, fresh_token=False)
        except ReauthorizationRequired:
            # The token may have died early (password change, CAE): one fresh one, then it is the person's turn.
            return await self._attempt(mailbox, method, url, body, extra or {}, fresh_token=True)

    async def _attempt(
        self,
        mailbox: MailboxAccess,
        method: str,
        url: str,
        body: bytes | None,
        extra: Mapping[str, str],
        *,
        fresh_token: bool,
    ) -> JSONObject:
        token = await mailbox.access_token(fresh_token)
        headers = {
            "Authorization": f"Bearer {token.reveal()}",
            "Accept": "application/json",
            "Prefer": _IMMUTABLE_IDS,
            "client-request-id": str(uuid.uuid4()),
            **extra,
        }
        if body is not None:
            headers["Content-Type"] = "application/json"
        try:
            async with self._turn(mailbox), asyncio.timeout(self._timeout_seconds):
                return await self._exchange(method, url, body, headers)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise TemporarilyUnavailable(
                "Microsoft isn’t answering properly.", reason="microsoft_down"
            ) from error

    async def _exchange(
        self, method: str, url: str, body: bytes | None, headers: Mapping[str, str]
    ) -> JSONObject:
        async with (
            self._session.request(
                method,
                URL(url, encoded=True),
                data=None if body is None else payload_of(body),
                headers=headers,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=self._timeout_seconds, connect=10),
            ) as response,
            self._body(response) as content,
        ):
            if not 200 <= response.status < 300:
                raise _error_of(response, content)
            is_change = method != "GET"
            return {} if is_change and not content.strip() else parse_object(content)

    def _body(self, response: aiohttp.ClientResponse) -> AbstractAsyncContextManager[bytearray]:
        return self._bodies.body(response, most_bytes=MOST_BODY_BYTES, too_large=ProviderContractBroken)

    def _turn(self, mailbox: MailboxAccess) -> AbstractAsyncContextManager[None]:
        key = MailboxKey(AccessMethod.GRAPH, mailbox.tenant_id, mailbox.object_id)
        return self._governor.turn(key, mailbox.urgency)


def _preferring(prefer: str | None) -> dict[str, str]:
    return {} if prefer is None else {"Prefer": f"{_IMMUTABLE_IDS}, {prefer}"}


def _error_of(response: aiohttp.ClientResponse, content: bytes | bytearray) -> OstiaryError:
    code: str | None = None
    message = ""
    try:
        error = parse_object(content).get("error")
    except OstiaryError:
        error = None
    if isinstance(error, dict):
        code, message = deepest_code(error), str(error.get("message") or "")
    return translate(response.status, code, response.headers, message=message)


def deepest_code(error: JSONObject) -> str | None:
    """Return the innermost error code: the outer one is often only a class (graph.md §13)."""
    code: str | None = None
    node: object = error
    for _ in range(8):
        if not isinstance(node, dict):
            break
        found = node.get("code")
        if isinstance(found, str) and found:
            code = found
        node = node.get("innerError") or node.get("innererror")
    return code


def _origin(url: str) -> tuple[str, str, int | None]:
    parts = urlsplit(url)
    default = {"https": 443, "http": 80}.get(parts.scheme)
    return parts.scheme, parts.hostname or "", parts.port or default


def _is_link_to(link: str, origins: Collection[tuple[str, str, int | None]]) -> bool:
    try:
        parts = urlsplit(link)
        origin = _origin(link)
    except ValueError:
        return False
    return (
        origin in origins
        and parts.username is None
        and not {".", ".."} & set(parts.path.split("/"))
        and link.isascii()
        and link.isprintable()
        and " " not in link
    )


def _foreign_link() -> ProviderContractBroken:
    return ProviderContractBroken("Microsoft gave a link that leads elsewhere; we did not follow it.")
