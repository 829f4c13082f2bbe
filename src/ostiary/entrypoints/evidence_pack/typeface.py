"""Letters for the PDF: DejaVu where the machine has it, else every reader’s own font, with letters it lacks written out."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_FOLDERS: Final = (
    Path("/usr/share/fonts/truetype/dejavu"),
    Path("/usr/share/fonts/dejavu"),
    Path("/usr/share/fonts/dejavu-sans-fonts"),
    Path("/usr/share/fonts/TTF"),
)
"""Where Debian, older Red Hat, Fedora and Arch keep them."""

_WRITTEN_OUT: Final = str.maketrans(
    {"’": "'", "‘": "'", "“": '"', "”": '"', "„": '"', "–": "-", "—": "-", "…": "...", "→": "->", "•": "-"}
    | {"ß": "ss", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L", "đ": "d", "Đ": "D", "€": "EUR", "\u00a0": " "}
)


@dataclass(frozen=True, slots=True)
class Typeface:
    """Regular and bold. Without files it is the PDF's own Helvetica, which knows Latin-1 only."""

    regular: Path | None = None
    bold: Path | None = None

    def fit(self, text: str) -> str:
        """Return ``text`` in letters that this typeface has."""
        return text if self.regular is not None else to_latin1(text)


def find_typeface() -> Typeface:
    """Look for DejaVu Sans on this machine."""
    for folder in _FOLDERS:
        regular, bold = folder / "DejaVuSans.ttf", folder / "DejaVuSans-Bold.ttf"
        if regular.is_file() and bold.is_file():
            return Typeface(regular, bold)
    return Typeface()


def to_latin1(text: str) -> str:
    """Write typographic marks plainly, keep accents that Latin-1 has, drop others, and show ``?`` for the rest."""
    plain = text.translate(_WRITTEN_OUT)
    return "".join(_nearest(letter) for letter in plain)


def _nearest(letter: str) -> str:
    if ord(letter) < 0x100:
        return letter
    base = unicodedata.normalize("NFKD", letter)
    kept = "".join(part for part in base if ord(part) < 0x100)
    return kept or "?"
