"""A mail's body as a person reads it: words and links, nothing that loads, runs or looks."""

from __future__ import annotations

import re
from dataclasses import dataclass
from html.parser import HTMLParser

_ADDRESS = re.compile(r"https?://[^\s<>\"']+")
_SILENT = frozenset({"head", "style", "script", "title"})
_BREAKING = frozenset({"p", "div", "br", "tr", "li", "h1", "h2", "h3", "hr", "table", "ul", "ol"})
_BLANK_LINES = re.compile(r"\n[ \t\r]*\n\s*")


@dataclass(frozen=True, slots=True)
class Piece:
    """Some words, and where they lead if they lead anywhere."""

    words: str
    url: str = ""


def readable(content: str, *, is_html: bool) -> list[Piece]:
    """Return the body in pieces; only http and https addresses become links."""
    if not is_html:
        return _with_links(content)
    reader = _Reader()
    reader.feed(content)
    reader.close()
    return reader.pieces()


def _with_links(text: str) -> list[Piece]:
    pieces: list[Piece] = []
    at = 0
    for found in _ADDRESS.finditer(text):
        url = found[0].rstrip(".,;:!?)")
        if found.start() > at:
            pieces.append(Piece(text[at : found.start()]))
        pieces.append(Piece(url, url))
        at = found.start() + len(url)
    if at < len(text):
        pieces.append(Piece(text[at:]))
    return pieces


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._found: list[Piece] = []
        self._silent = 0
        self._url = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _SILENT:
            self._silent += 1
        elif tag in _BREAKING:
            self._found.append(Piece("\n" if tag in ("br", "li", "tr") else "\n\n"))
        elif tag == "a":
            target = dict(attrs).get("href") or ""
            self._url = target if _ADDRESS.fullmatch(target) else ""

    def handle_endtag(self, tag: str) -> None:
        if tag in _SILENT:
            self._silent = max(0, self._silent - 1)
        elif tag == "a":
            self._url = ""
        elif tag in _BREAKING:
            self._found.append(Piece("\n"))

    def handle_data(self, data: str) -> None:
        if self._silent or not data.strip():
            return
        words = re.sub(r"\s+", " ", data)
        self._found += [Piece(words.strip(), self._url)] if self._url else _with_links(words)

    def pieces(self) -> list[Piece]:
        """Return what was read, without runs of empty lines."""
        joined: list[Piece] = []
        for piece in self._found:
            if joined and not joined[-1].url and not piece.url:
                joined[-1] = Piece(joined[-1].words + piece.words)
            else:
                joined.append(piece)
        return [piece if piece.url else Piece(_BLANK_LINES.sub("\n\n", piece.words)) for piece in joined]
