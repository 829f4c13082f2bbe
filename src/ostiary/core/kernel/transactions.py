"""The unit of work: everything a use case writes commits together or not at all (RR-4)."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Protocol, TypeVar

Tx = TypeVar("Tx", covariant=True)


class Transactions(Protocol[Tx]):
    """Opens transactions.

    Leaving the block normally commits; an exception rolls back. Network calls stay outside the block, so
    that no lock waits for Microsoft.
    """

    def __call__(self) -> AbstractAsyncContextManager[Tx]: ...
