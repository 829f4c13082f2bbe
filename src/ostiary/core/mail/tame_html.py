"""Markup made to nest properly and not too deep, in one pass: parsers take quadratic time over the other kind.

Not a cleaner: what comes out is as hostile as what went in, only in a form that costs little to clean.
"""

from __future__ import annotations

import html
from html.parser import HTMLParser
from typing import Final

TAGS_TAKEN_AS_THEY_ARE: Final = 10_000
"""Up to here the worst nesting costs the cleaner less than a second."""
MOST_TAGS: Final = 100_000
MOST_DEPTH: Final = 100
_VOID: Final = frozenset(
    ("area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr")
)


def tame(markup: str) -> tuple[str, bool]:
    """Return the markup, and whether something had to be left out of it."""
    if markup.count("<") <= TAGS_TAKEN_AS_THEY_ARE:
        return markup, False
    tamer = _Tamer()
    tamer.feed(markup)
    tamer.close()
    return tamer.markup(), tamer.left_out


class _Tamer(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._parts: list[str] = []
        self._open: list[str] = []
        self._tags_count = 0
        self.left_out = False

    def markup(self) -> str:
        """Return what was read so far, every element closed."""
        return "".join((*self._parts, *(f"</{tag}>" for tag in reversed(self._open))))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._tags_count += 1
        is_void = tag in _VOID
        if self._tags_count > MOST_TAGS or (len(self._open) >= MOST_DEPTH and not is_void):
            self.left_out = True
            return
        if not tag.replace("-", "").isalnum():
            return
        written = "".join(
            f' {name}="{html.escape(value or "")}"'
            for name, value in attrs
            if name.replace("-", "").isalnum()
        )
        self._parts.append(f"<{tag}{written}>")
        if not is_void:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self._open:
            return
        while self._open:
            last = self._open.pop()
            self._parts.append(f"</{last}>")
            if last == tag:
                return

    def handle_data(self, data: str) -> None:
        # The inside of scripts and styles is not text; the cleaner takes it away with its element.
        in_code = bool(self._open) and self._open[-1] in ("script", "style")
        if not in_code:
            self._parts.append(html.escape(data, quote=False))
