"""The two ways to carry out calls: with a blocking HTTP client and with an asynchronous one."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Generator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import IO, Any, Final, TypeVar, cast

import httpx

from ostiary_client import __version__
from ostiary_client.call import Answer, Call, Upload
from ostiary_client.conversation import Pause, Retries, Talk, failure_of, pause_before_retry, talk
from ostiary_client.errors import NoAnswer

T = TypeVar("T")

CHUNK_BYTES: Final = 256 * 1024
CONNECT_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True)
class Wire:
    """How requests look. The key is in no ``repr``."""

    base_url: str
    key_header: dict[str, str]
    timeout_seconds: float
    retries: Retries

    def __repr__(self) -> str:
        return f"Wire({self.base_url})"

    def request(self, call: Call[Any], content: object) -> dict[str, Any]:
        """Return the arguments with which the HTTP client builds the request."""
        headers = {**self.key_header, **call.headers, "Accept": "application/json"}
        headers["User-Agent"] = f"ostiary-client/{__version__}"
        arguments: dict[str, Any] = {"method": call.method, "url": self.base_url + call.path}
        arguments["params"] = call.query or None
        arguments["timeout"] = httpx.Timeout(
            self.timeout_seconds + call.waits_seconds, connect=min(CONNECT_SECONDS, self.timeout_seconds)
        )
        if call.upload is not None:
            arguments["content"] = content
            headers["Content-Length"] = str(call.upload.size_bytes)
            headers["Content-Type"] = "application/octet-stream"
        elif call.body is not None:
            arguments["json"] = call.body
        arguments["headers"] = headers
        return arguments


class SyncDriver:
    """Carries out calls in the calling thread."""

    def __init__(self, wire: Wire, client: httpx.Client) -> None:
        self.wire = wire
        self.client = client
        self._chance = random.Random()  # noqa: S311 - spreads retries, guards nothing

    def run(self, call: Call[T]) -> T:
        """Make the call and return what it says."""
        conversation: Talk[T] = talk(call, self.wire.retries, chance=self._chance)
        step = next(conversation)
        while True:
            try:
                if isinstance(step, Pause):
                    time.sleep(step.seconds)
                    step = next(conversation)
                else:
                    step = conversation.send(self._send(step.call))
            except StopIteration as end:
                return cast(T, end.value)

    @contextmanager
    def stream(self, call: Call[Any]) -> Generator[SyncDownload]:
        """Open a download; a failure before its first byte is tried again like any other."""
        tries = 0
        while True:
            with self._opened(call) as reply:
                failure = failure_of(reply) if isinstance(reply, Answer | NoAnswer) else None
                if failure is None:
                    yield SyncDownload(cast("httpx.Response", reply))
                    return
            pause = pause_before_retry(call, failure, self.wire.retries, tries=tries, chance=self._chance)
            if pause is None:
                raise failure
            time.sleep(pause)
            tries += 1

    @contextmanager
    def _opened(self, call: Call[Any]) -> Generator[httpx.Response | Answer | NoAnswer]:
        request = self.client.build_request(**self.wire.request(call, None))
        try:
            response = self.client.send(request, stream=True)
        except httpx.TransportError as error:
            yield no_answer(error)
            return
        try:
            if response.status_code < 300:
                yield response
            else:
                response.read()
                yield _answer(response)
        finally:
            response.close()

    def _send(self, call: Call[Any]) -> Answer | NoAnswer:
        content = None if call.upload is None else _pieces(call.upload)
        try:
            request = self.client.build_request(**self.wire.request(call, content))
            return _answer(self.client.send(request))
        except httpx.TransportError as error:
            return no_answer(error)


class AsyncDriver:
    """Carries out calls in asyncio's event loop."""

    def __init__(self, wire: Wire, client: httpx.AsyncClient) -> None:
        self.wire = wire
        self.client = client
        self._chance = random.Random()  # noqa: S311 - spreads retries, guards nothing

    async def run(self, call: Call[T]) -> T:
        """Make the call and return what it says."""
        conversation: Talk[T] = talk(call, self.wire.retries, chance=self._chance)
        step = next(conversation)
        while True:
            try:
                if isinstance(step, Pause):
                    await asyncio.sleep(step.seconds)
                    step = next(conversation)
                else:
                    step = conversation.send(await self._send(step.call))
            except StopIteration as end:
                return cast(T, end.value)

    @asynccontextmanager
    async def stream(self, call: Call[Any]) -> AsyncGenerator[AsyncDownload]:
        """Open a download; a failure before its first byte is tried again like any other."""
        tries = 0
        while True:
            async with self._opened(call) as reply:
                failure = failure_of(reply) if isinstance(reply, Answer | NoAnswer) else None
                if failure is None:
                    yield AsyncDownload(cast("httpx.Response", reply))
                    return
            pause = pause_before_retry(call, failure, self.wire.retries, tries=tries, chance=self._chance)
            if pause is None:
                raise failure
            await asyncio.sleep(pause)
            tries += 1

    @asynccontextmanager
    async def _opened(self, call: Call[Any]) -> AsyncGenerator[httpx.Response | Answer | NoAnswer]:
        request = self.client.build_request(**self.wire.request(call, None))
        try:
            response = await self.client.send(request, stream=True)
        except httpx.TransportError as error:
            yield no_answer(error)
            return
        try:
            if response.status_code < 300:
                yield response
            else:
                await response.aread()
                yield _answer(response)
        finally:
            await response.aclose()

    async def _send(self, call: Call[Any]) -> Answer | NoAnswer:
        content = None if call.upload is None else _async_pieces(call.upload)
        try:
            request = self.client.build_request(**self.wire.request(call, content))
            return _answer(await self.client.send(request))
        except httpx.TransportError as error:
            return no_answer(error)


class SyncDownload:
    """A file that is coming: iterate over its pieces, or read it whole."""

    def __init__(self, response: httpx.Response) -> None:
        self._response = response
        self.size_bytes = _size(response)
        """As announced; None where that is not known."""

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self._response.iter_bytes(CHUNK_BYTES)
        except httpx.TransportError as error:
            raise no_answer(error) from None

    def read(self) -> bytes:
        """Return all of it. An attachment may have 150 MB: iterate where that matters."""
        return b"".join(self)


class AsyncDownload:
    """A file that is coming: iterate over its pieces, or read it whole."""

    def __init__(self, response: httpx.Response) -> None:
        self._response = response
        self.size_bytes = _size(response)
        """As announced; None where that is not known."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for piece in self._response.aiter_bytes(CHUNK_BYTES):
                yield piece
        except httpx.TransportError as error:
            raise no_answer(error) from None

    async def read(self) -> bytes:
        """Return all of it. An attachment may have 150 MB: iterate where that matters."""
        return b"".join([piece async for piece in self])


def no_answer(error: httpx.TransportError) -> NoAnswer:
    """Return what happened on the wire, in words that hold no address and no header."""
    if isinstance(error, httpx.TimeoutException):
        return NoAnswer("The service did not answer in time.")
    return NoAnswer(f"The service cannot be reached, or went away ({type(error).__name__}).")


def _answer(response: httpx.Response) -> Answer:
    return Answer(response.status_code, dict(response.headers), response.content)


def _size(response: httpx.Response) -> int | None:
    announced = response.headers.get("content-length", "")
    return int(announced) if announced.isascii() and announced.isdigit() else None


def _pieces(upload: Upload) -> bytes | Iterable[bytes]:
    content = upload.content
    if isinstance(content, bytes):
        return content
    if isinstance(content, AsyncIterable):
        raise TypeError("asynchronous pieces need AsyncOstiary")
    if hasattr(content, "read"):
        return _read_pieces(cast("IO[bytes]", content))
    return content


def _read_pieces(file: IO[bytes]) -> Iterator[bytes]:
    while piece := file.read(CHUNK_BYTES):
        yield piece


async def _async_pieces(upload: Upload) -> AsyncIterator[bytes]:
    content = upload.content
    if isinstance(content, bytes):
        for start in range(0, len(content), CHUNK_BYTES):
            yield content[start : start + CHUNK_BYTES]
    elif isinstance(content, AsyncIterable):
        async for piece in content:
            yield piece
    else:
        # Reading a file blocks; the loop goes on meanwhile.
        pieces = iter(cast("Iterable[bytes]", _pieces(upload)))
        while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
            yield piece
