"""The one HTTP session for all calls to Microsoft: pooled per host, timed, counted, blind to the environment."""

from __future__ import annotations

import asyncio
import io
import ssl
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Final, Protocol

import aiohttp

CONNECTIONS_PER_HOST: Final = 64
"""Sockets kept to one of Microsoft's hosts; enough for some hundred mailboxes read at once by one process."""

LONGEST_CALL_SECONDS: Final = 60.0
"""Outer limit for any call; adapters set shorter ones (SR-106)."""


LARGE_BODY_BYTES: Final = 256 * 1024
"""From here on a body is written piece by piece, so that other calls get their turn in between."""


class CallObserver(Protocol):
    """Hears of every call, for metrics."""

    def __call__(self, *, path: str, status: int | None, seconds: float) -> None:
        """``status`` is None when there was no answer."""
        ...


def payload_of(data: bytes) -> bytes | io.BytesIO:
    """Return a body as aiohttp should get it; good for one request."""
    return io.BytesIO(data) if len(data) > LARGE_BODY_BYTES else data


def create_session(
    *,
    user_agent: str,
    ca_file: Path | None = None,
    observe: CallObserver | None = None,
    connections_per_host: int = CONNECTIONS_PER_HOST,
) -> aiohttp.ClientSession:
    """Return the session; the caller closes it. Must be called inside a running event loop.

    Args:
        ca_file: One more certificate authority to trust, beside the system's.
        connections_per_host: 0 for answers that stay open for minutes: as many as there are.

    Raises:
        OSError: ``ca_file`` cannot be read.
        ssl.SSLError: ``ca_file`` holds no certificate.
    """
    connector = aiohttp.TCPConnector(
        limit=0,
        limit_per_host=connections_per_host,
        ssl=trusted(ca_file),
        ttl_dns_cache=60,
        keepalive_timeout=30,
    )
    return aiohttp.ClientSession(
        connector=connector,
        timeout=aiohttp.ClientTimeout(total=LONGEST_CALL_SECONDS, connect=10, sock_connect=5, sock_read=30),
        # Nothing of Microsoft's needs a cookie, and a shared jar would mix people up.
        cookie_jar=aiohttp.DummyCookieJar(),
        # A proxy from the environment would see bearer tokens.
        trust_env=False,
        headers={"User-Agent": user_agent},
        trace_configs=[_trace(observe)] if observe is not None else [],
    )


@cache
def trusted(ca_file: Path | None = None) -> ssl.SSLContext:
    """Return what servers are checked against: the system's authorities, and those of one more file.

    Read once: the system's own are over a hundred certificates, and a process has several sessions.

    Raises:
        OSError: ``ca_file`` cannot be read.
        ssl.SSLError: ``ca_file`` holds no certificate.
    """
    context = ssl.create_default_context()
    if ca_file is not None:
        context.load_verify_locations(cafile=str(ca_file))
    return context


def _trace(observe: CallObserver) -> aiohttp.TraceConfig:
    trace = aiohttp.TraceConfig()

    async def began(_session: object, context: SimpleNamespace, _params: object) -> None:
        context.began = asyncio.get_running_loop().time()

    async def answered(
        _session: object, context: SimpleNamespace, params: aiohttp.TraceRequestEndParams
    ) -> None:
        observe(path=params.url.path, status=params.response.status, seconds=_since(context))

    async def failed(
        _session: object, context: SimpleNamespace, params: aiohttp.TraceRequestExceptionParams
    ) -> None:
        observe(path=params.url.path, status=None, seconds=_since(context))

    trace.on_request_start.append(began)
    trace.on_request_end.append(answered)
    trace.on_request_exception.append(failed)
    return trace


def _since(context: SimpleNamespace) -> float:
    return asyncio.get_running_loop().time() - context.began
