"""What makes one description of a call serve both clients.

A noun of the API is a class of descriptions: methods that return a :class:`~ostiary_client.call.Call` and know no I/O.
The decorators below turn such a method into one that carries the call out with whatever driver its object has: a plain
method beside a :class:`~ostiary_client.drivers.SyncDriver`, a coroutine beside an
:class:`~ostiary_client.drivers.AsyncDriver`. Type checkers see the same, parameter by parameter.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from functools import wraps
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar, overload

from ostiary_client.call import Call, Listing, Page
from ostiary_client.drivers import AsyncDownload, AsyncDriver, SyncDownload, SyncDriver

P = ParamSpec("P")
T = TypeVar("T")
D = TypeVar("D", SyncDriver, AsyncDriver)


class Noun(Generic[D]):
    """Calls about one kind of thing, with the driver that carries them out."""

    def __init__(self, driver: D) -> None:
        self._driver = driver

    @property
    def driver(self) -> D:
        """What carries the calls out."""
        return self._driver


class operation(Generic[P, T]):  # noqa: N801 - a decorator
    """A call with one answer."""

    def __init__(self, describe: Callable[Concatenate[Any, P], Call[T]]) -> None:
        self.describe = describe
        self.__doc__ = describe.__doc__

    @overload
    def __get__(self, noun: Noun[SyncDriver], owner: type) -> Callable[P, T]: ...
    @overload
    def __get__(self, noun: Noun[AsyncDriver], owner: type) -> Callable[P, Awaitable[T]]: ...
    @overload
    def __get__(self, noun: None, owner: type) -> operation[P, T]: ...
    def __get__(self, noun: Any, owner: type) -> Any:
        if noun is None:
            return self
        return _bound(self.describe, noun, noun.driver.run)


class listed(Generic[P, T]):  # noqa: N801 - a decorator
    """A list in pages, which are fetched as the reader gets there."""

    def __init__(self, describe: Callable[Concatenate[Any, P], Listing[T]]) -> None:
        self.describe = describe
        self.__doc__ = describe.__doc__

    @overload
    def __get__(self, noun: Noun[SyncDriver], owner: type) -> Callable[P, Paged[T]]: ...
    @overload
    def __get__(self, noun: Noun[AsyncDriver], owner: type) -> Callable[P, AsyncPaged[T]]: ...
    @overload
    def __get__(self, noun: None, owner: type) -> listed[P, T]: ...
    def __get__(self, noun: Any, owner: type) -> Any:
        if noun is None:
            return self
        kind: Any = Paged if isinstance(noun.driver, SyncDriver) else AsyncPaged
        return _bound(self.describe, noun, lambda listing: kind(noun.driver, listing))


class download(Generic[P]):  # noqa: N801 - a decorator
    """A file that comes as a stream, for the length of a ``with`` block."""

    def __init__(self, describe: Callable[Concatenate[Any, P], Call[Any]]) -> None:
        self.describe = describe
        self.__doc__ = describe.__doc__

    @overload
    def __get__(
        self, noun: Noun[SyncDriver], owner: type
    ) -> Callable[P, AbstractContextManager[SyncDownload]]: ...
    @overload
    def __get__(
        self, noun: Noun[AsyncDriver], owner: type
    ) -> Callable[P, AbstractAsyncContextManager[AsyncDownload]]: ...
    @overload
    def __get__(self, noun: None, owner: type) -> download[P]: ...
    def __get__(self, noun: Any, owner: type) -> Any:
        if noun is None:
            return self
        return _bound(self.describe, noun, noun.driver.stream)


class Paged(Generic[T]):
    """A list: iterate over its items, or over its :meth:`pages`. Nothing is fetched before."""

    def __init__(self, driver: SyncDriver, listing: Listing[T]) -> None:
        self._driver = driver
        self._listing = listing

    def pages(self) -> Iterator[Page[T]]:
        """Iterate over whole pages; keep ``next_cursor`` to go on another time."""
        call: Call[Page[T]] | None = self._listing.first
        while call is not None:
            page = self._driver.run(call)
            yield page
            call = self._listing.after(page)

    def __iter__(self) -> Iterator[T]:
        for page in self.pages():
            yield from page.items


class AsyncPaged(Generic[T]):
    """A list: iterate over its items, or over its :meth:`pages`. Nothing is fetched before."""

    def __init__(self, driver: AsyncDriver, listing: Listing[T]) -> None:
        self._driver = driver
        self._listing = listing

    async def pages(self) -> AsyncIterator[Page[T]]:
        """Iterate over whole pages; keep ``next_cursor`` to go on another time."""
        call: Call[Page[T]] | None = self._listing.first
        while call is not None:
            page = await self._driver.run(call)
            yield page
            call = self._listing.after(page)

    async def __aiter__(self) -> AsyncIterator[T]:
        async for page in self.pages():
            for item in page.items:
                yield item


def _bound(describe: Callable[..., Any], noun: Any, carry_out: Callable[[Any], Any]) -> Callable[..., Any]:
    @wraps(describe)
    def method(*arguments: Any, **options: Any) -> Any:
        return carry_out(describe(noun, *arguments, **options))

    # `help()` shows the parameters without the object itself.
    method.__wrapped__ = describe.__get__(noun)
    return method
