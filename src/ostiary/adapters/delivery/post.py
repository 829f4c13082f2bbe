"""Posts to an address that is checked at the moment of connecting, within a time and a size that we choose."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Final

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from ostiary.adapters.http_session import trusted
from ostiary.core.webhooks.destination import EgressRules, public_only
from ostiary.core.webhooks.model import Answer

MOST_SECONDS: Final = 15.0
"""Wall clock over name, connection, TLS, headers and body (SR-80)."""
MOST_ANSWER_BYTES: Final = 64 * 1024
KEPT_OPEN_SECONDS: Final = 15.0
"""A connection that stays open leads where its own check allowed it to."""


class AddressRefused(OSError):
    """The name leads to an address that we do not call."""


class GuardedResolver(AbstractResolver):
    """Resolves once per connection and hands out addresses only when every one of them may be called.

    aiohttp connects to just these addresses, and sends the name for TLS and as ``Host``: a name server that answers
    differently the next time changes nothing (DNS rebinding, SR-78).
    """

    def __init__(self, rules: EgressRules) -> None:
        self._rules = rules

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(
            host, port, family=family, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG
        )
        addresses = [str(address[0]) for *_, address in found]
        if not public_only(addresses, self._rules):
            raise AddressRefused(f"{host} leads to an address that is not public.")
        return [
            ResolveResult(
                hostname=host,
                host=str(address[0]),
                port=port,
                family=kind,
                proto=protocol,
                flags=socket.AI_NUMERICHOST,
            )
            for kind, _, protocol, _, address in found
        ]

    async def close(self) -> None:
        """Nothing is held."""


class HTTPWebhookPost:
    """Satisfies ``WebhookPost``. Used as a context manager; must be entered inside a running event loop."""

    def __init__(
        self,
        rules: EgressRules,
        *,
        user_agent: str,
        ca_file: Path | None = None,
        resolver: AbstractResolver | None = None,
        most_seconds: float = MOST_SECONDS,
    ) -> None:
        """``ca_file`` is one more certificate authority to trust, beside the system's."""
        self._user_agent = user_agent
        self._most_seconds = most_seconds
        self._connector = aiohttp.TCPConnector(
            limit=0,
            limit_per_host=0,
            ssl=trusted(ca_file),
            resolver=resolver or GuardedResolver(rules),
            use_dns_cache=False,
            keepalive_timeout=KEPT_OPEN_SECONDS,
        )
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> HTTPWebhookPost:
        self._session = aiohttp.ClientSession(
            connector=self._connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            # A bomb is not unpacked; what is shown of an answer is its first printable characters anyway.
            auto_decompress=False,
            headers={"User-Agent": self._user_agent, "Accept-Encoding": "identity"},
            timeout=aiohttp.ClientTimeout(total=self._most_seconds),
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Satisfies ``WebhookPost.post``."""
        if self._session is None:
            raise RuntimeError("enter the context first")
        try:
            async with (
                asyncio.timeout(self._most_seconds),
                self._session.post(
                    url,
                    data=body,
                    headers={"Content-Type": "application/json", **headers},
                    allow_redirects=False,
                ) as response,
            ):
                content = await _read_start(response)
                return Answer(
                    response.status,
                    content.decode("utf-8", "replace"),
                    _retry_after(response.headers.get("Retry-After")),
                    None,
                )
        except TimeoutError:
            return _no_answer(f"It did not answer within {self._most_seconds:g} seconds.")
        except aiohttp.ClientConnectorCertificateError:
            return _no_answer("Its TLS certificate is not valid for this address.")
        except (aiohttp.ClientConnectorDNSError, socket.gaierror) as error:
            refused = _refusal(error)
            return _no_answer(
                "We do not call this address: its name leads into a private or special network."
                if refused
                else "Its name cannot be resolved."
            )
        except (aiohttp.ClientConnectorError, ssl.SSLError):
            return _no_answer("No connection could be opened.")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return _no_answer(
                "We do not call this address: its name leads into a private or special network."
                if _refusal(error)
                else "It hung up, or answered with something that is not HTTP."
            )


async def _read_start(response: aiohttp.ClientResponse) -> bytes:
    """Return at most 64 KB of the body; the rest is not waited for."""
    parts: list[bytes] = []
    left = MOST_ANSWER_BYTES
    async for part in response.content.iter_any():
        parts.append(part[:left])
        left -= len(part)
        if left <= 0:
            response.close()
            break
    return b"".join(parts)


def _refusal(error: BaseException) -> bool:
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, AddressRefused):
            return True
        inner = getattr(seen, "os_error", None)
        seen = inner if isinstance(inner, BaseException) and inner is not seen else seen.__cause__
    return False


def _no_answer(trouble: str) -> Answer:
    return Answer(None, "", None, trouble)


def _retry_after(value: str | None) -> timedelta | None:
    """Return what ``Retry-After`` asks for, in seconds or as a date; None for nonsense."""
    if value is None:
        return None
    if value.strip().isdigit() and len(value.strip()) <= 8:
        return timedelta(seconds=int(value))
    try:
        moment = parsedate_to_datetime(value)
    except (TypeError, ValueError):
        return None
    if moment.tzinfo is None:
        return None
    return max(timedelta(0), moment - datetime.now(UTC))
