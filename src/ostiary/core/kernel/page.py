"""One page of a longer list."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some items, and the opaque cursor that gets the next ones (None: this was the last page)."""

    items: tuple[T, ...]
    next_cursor: str | None = None
