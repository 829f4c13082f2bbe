"""Commands whose code is loaded when somebody runs them: a shell should not wait for what it does not use."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import typer
from typer.core import TyperGroup

_PACKAGE: Final = "ostiary.entrypoints.cli"
_NARROWEST_SUMMARY: Final = 20


class _Formatter(Protocol):
    """The part of the help's formatter that is used here."""

    width: int

    def section(self, name: str) -> Any: ...
    def write_dl(self, rows: Sequence[tuple[str, str]]) -> None: ...


@dataclass(frozen=True, slots=True)
class Entry:
    """A command as ``ostiary --help`` shows it, and where it comes from."""

    name: str
    modules: tuple[str, ...]
    """Modules of this package that register it, or parts of it."""
    summary: str
    """The first sentence of its own help."""


class CommandTable(dict[str, Any]):
    """Commands by name. Looking at the names loads nothing."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        super().__init__(dict.fromkeys(entry.name for entry in entries))
        self._entries = {entry.name: entry for entry in entries}

    def get(self, name: str, default: Any = None) -> Any:
        """Return the command, loaded now if need be."""
        entry = self._entries.get(name)
        if entry is None:
            return default
        found = super().get(name)
        if found is None:
            found = self[name] = _load(entry)
        return found


class CommandsOnDemand(TyperGroup):
    """The command ``ostiary``, by the table in ``commands.py``."""

    entries: tuple[Entry, ...] = ()

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = CommandTable(self.entries)

    def format_commands(self, ctx: Any, formatter: _Formatter) -> None:
        """Write the list of commands from the table."""
        room = formatter.width - 6 - max(len(entry.name) for entry in self.entries)
        with formatter.section("Commands"):
            formatter.write_dl([(entry.name, _cut(entry.summary, room)) for entry in self.entries])


def _load(entry: Entry) -> Any:
    part = typer.Typer(rich_markup_mode=None, add_completion=False)
    # With a callback it is a group, however few commands it has.
    part.callback()(_nothing)
    for module in entry.modules:
        importlib.import_module(f"{_PACKAGE}.{module}").register(part)
    group: Any = typer.main.get_command(part)
    return group.commands[entry.name]


def _nothing() -> None:
    """Options are those of the command itself."""


def _cut(summary: str, room: int) -> str:
    """Return as many whole words as fit."""
    room = max(room, _NARROWEST_SUMMARY)
    text = summary.removesuffix(".")
    if len(text) <= room:
        return text
    return text[: room - 3].rsplit(" ", 1)[0].rstrip(",;:") + "..."
