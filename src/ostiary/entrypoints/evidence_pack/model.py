"""The pack as plain data, so that page and PDF say the same."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under heads; the first cell of a row names it."""

    caption: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Section:
    """One chapter: a sentence, then steps, then tables; each may be missing."""

    id: str
    title: str
    lead: str = ""
    steps: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()


@dataclass(frozen=True, slots=True)
class EvidencePack:
    """All of it. Equal packs make equal documents."""

    title: str
    lead: str
    as_of: date
    sections: tuple[Section, ...]
