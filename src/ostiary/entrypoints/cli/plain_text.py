"""Strangers' text made fit for a terminal: no control sequences, HTML as readable lines."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Final

_UNSEEN: Final = frozenset({"script", "style", "head", "title", "template"})
_BLOCKS: Final = frozenset(
    {
        "p",
        "div",
        "br",
        "tr",
        "li",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "blockquote",
        "table",
        "ul",
        "ol",
        "hr",
    }
)


def one_line(text: str, width: int | None = None) -> str:
    """Return ``text`` on one line of at most ``width`` characters, without anything a terminal would obey."""
    cleaned = " ".join(_printable(text).split())
    if width is not None and len(cleaned) > width:
        return cleaned[: width - 1] + "…"
    return cleaned


def many_lines(text: str) -> str:
    """Return ``text`` with its line breaks, without anything a terminal would obey."""
    return "\n".join(_printable(line).rstrip() for line in text.splitlines()).strip("\n")


def text_of_html(html: str) -> str:
    """Return what a person would read of an HTML mail."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    lines = (" ".join(line.split()) for line in "".join(reader.parts).split("\n"))
    return many_lines(re.sub(r"\n{3,}", "\n\n", "\n".join(lines)))


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else " " for character in text)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _UNSEEN:
            self._hidden += 1
        elif tag in _BLOCKS:
            self.parts.append("\n")

    def handle_endtag(self, tag: str) -> None:
        if tag in _UNSEEN:
            self._hidden = max(0, self._hidden - 1)
        elif tag in _BLOCKS:
            self.parts.append("\n")

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            # Line breaks of the source mean nothing in HTML.
            self.parts.append(re.sub(r"\s+", " ", data))
