"""Markup made to nest properly and not too deep, in one pass: parsers take quadratic time over the other kind.

Not a cleaner: what comes out is as hostile as what went in, only in a form that costs little to clean. Where it reads
odd markup in another way than a browser would, a part of the mail is lost, and nothing else.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from typing import Final

TAGS_TAKEN_AS_THEY_ARE: Final = 10_000
REFERENCES_TAKEN_AS_THEY_ARE: Final = 20_000
CHARACTERS_TAKEN_AS_THEY_ARE: Final = 250_000
"""Up to here the worst nesting, row of ``&`` and list of attributes cost the cleaner a second or two."""
MOST_TAGS: Final = 100_000
MOST_DEPTH: Final = 100
MOST_ATTRIBUTES: Final = 50
"""Of one element."""

_VOID: Final = frozenset(
    ("area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr")
)
_RAW: Final = frozenset(
    ("script", "style", "title", "textarea", "xmp", "iframe", "noembed", "noframes", "noscript", "plaintext")
)
"""Elements whose inside is no markup; the cleaner takes it away with its element."""
_TAG_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,60}")
_TAG_MARK: Final = re.compile(r"[>\"']")
_ATTRIBUTE: Final = re.compile(r"([A-Za-z][\w:-]{0,60})(?:\s*=\s*(\"[^\"]*\"|'[^']*'|[^\s\"'>]+))?", re.ASCII)


def tame(markup: str) -> tuple[str, bool]:
    """Return the markup, and whether something had to be left out of it."""
    if (
        len(markup) <= CHARACTERS_TAKEN_AS_THEY_ARE
        and markup.count("<") <= TAGS_TAKEN_AS_THEY_ARE
        and markup.count("&") <= REFERENCES_TAKEN_AS_THEY_ARE
    ):
        return markup, False
    tamer = _Tamer()
    parts = [*tamer.read(markup), *tamer.finish()]
    return "".join(parts), tamer.left_out


class _Tamer:
    """Goes through markup once; every search starts where the last one ended."""

    def __init__(self) -> None:
        self._open: list[str] = []
        self._tags_count = 0
        self._references_left = REFERENCES_TAKEN_AS_THEY_ARE
        self.left_out = False

    def read(self, markup: str) -> Iterator[str]:
        """Yield the pieces of the tamed markup."""
        position = 0
        while position < len(markup):
            start = markup.find("<", position)
            if start < 0:
                yield self._text(markup[position:])
                return
            yield self._text(markup[position:start])
            name = _TAG_NAME.match(markup, start + 2 if markup.startswith("</", start) else start + 1)
            if name is None and markup[start + 1 : start + 2] not in ("!", "?", "/"):
                yield "&lt;" if self._may_refer() else ""
                position = start + 1
                continue
            end = _end_of_comment(markup, start) if name is None else _end_of_tag(markup, start)
            if end < 0:
                # It never closes: a browser, too, would take all that follows for its inside.
                self.left_out = True
                return
            position = end
            if name is not None:
                yield from self._tag(name[0].lower(), markup[start:end])
                if name[0].lower() in _RAW and not markup.startswith("</", start):
                    position = _end_of_raw(markup, end, name[0])

    def finish(self) -> Iterator[str]:
        """Yield what closes everything that is still open."""
        while self._open:
            yield f"</{self._open.pop()}>"

    def _tag(self, name: str, written: str) -> Iterator[str]:
        if written.startswith("</"):
            if name in self._open:
                while (last := self._open.pop()) != name:
                    yield f"</{last}>"
                yield f"</{name}>"
            return
        self._tags_count += 1
        is_void = name in _VOID
        if self._tags_count > MOST_TAGS or (len(self._open) >= MOST_DEPTH and not is_void):
            self.left_out = True
            return
        yield f"<{name}{self._attributes(written[len(name) + 1 : -1])}>"
        if not is_void:
            self._open.append(name)

    def _attributes(self, written: str) -> str:
        parts: list[str] = []
        for match in _ATTRIBUTE.finditer(written):
            if len(parts) >= MOST_ATTRIBUTES:
                self.left_out = True
                break
            value = match[2] or ""
            if value[:1] in ("'", '"'):
                value = value[1:-1]
            parts.append(f' {match[1]}="{self._text(value)}"')
        return "".join(parts)

    def _text(self, text: str) -> str:
        plain = html.unescape(text)
        marks_count = sum(map(plain.count, '&<>"'))
        if marks_count > self._references_left:
            self.left_out = True
            return plain.translate(_WITHOUT_MARKS)
        self._references_left -= marks_count
        return html.escape(plain)

    def _may_refer(self) -> bool:
        self._references_left -= 1
        return self._references_left >= 0


_WITHOUT_MARKS: Final = str.maketrans(dict.fromkeys("&<>\"'"))


def _end_of_tag(markup: str, start: int) -> int:
    """Return where a tag ends, quotes heeded; -1 when it does not."""
    position = start + 1
    while (mark := _TAG_MARK.search(markup, position)) is not None:
        if mark[0] == ">":
            return mark.end()
        closing = markup.find(mark[0], mark.end())
        if closing < 0:
            return -1
        position = closing + 1
    return -1


def _end_of_comment(markup: str, start: int) -> int:
    """Return where a comment or declaration ends; -1 when it does not."""
    mark = "-->" if markup.startswith("<!--", start) else ">"
    end = markup.find(mark, start + 2)
    return -1 if end < 0 else end + len(mark)


def _end_of_raw(markup: str, position: int, name: str) -> int:
    """Return where the closing tag of an element without markup starts; the end where there is none."""
    closing = re.compile(f"</{name}", re.IGNORECASE).search(markup, position)
    return len(markup) if closing is None else closing.start()
