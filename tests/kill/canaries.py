"""Looks for secrets in whatever a run leaves behind: as they are, in base64, hexadecimal and percent-encoding."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

SHORTEST = 16
"""Anything shorter would be found by chance."""

_WORD = re.compile(rb"[\w.~%+/=-]{16,}")
"""Whatever can be part of a secret in one of its spellings; a file is reduced to these first."""


@dataclass(frozen=True)
class Hit:
    """A secret where none may be."""

    kind: str
    spelling: str
    place: str


def spellings(secret: bytes) -> dict[str, bytes]:
    """Every way a secret may be written; base64 by where in a longer text it could begin."""
    found = {"raw": secret, "hex": secret.hex().encode(), "HEX": secret.hex().upper().encode()}
    for shift in range(3):
        # The first and the last letters depend on the neighbours; what stands between is the secret's own.
        encoded = base64.b64encode(b"\x00" * shift + secret)
        inner = encoded[4 if shift else 0 : len(encoded) // 4 * 4 - 4]
        found[f"base64 +{shift}"] = inner
        found[f"base64url +{shift}"] = inner.translate(bytes.maketrans(b"+/", b"-_"))
    found["percent"] = quote(secret, safe="").encode()
    return found


class Canaries:
    """Secrets by kind, and the search for them."""

    def __init__(self, secrets: Mapping[str, Iterable[str | bytes]]) -> None:
        self._wanted: dict[bytes, tuple[str, str]] = {}
        self.count = 0
        for kind, values in secrets.items():
            for value in values:
                secret = value.encode() if isinstance(value, str) else value
                assert len(secret) >= SHORTEST, f"a {kind} is too short to be told from chance"
                self.count += 1
                for spelling, written in spellings(secret).items():
                    self._wanted.setdefault(written, (kind, spelling))

    def in_text(self, content: bytes, place: str) -> Iterator[Hit]:
        """Every hit in one artefact."""
        words = b"\n".join(set(_WORD.findall(content)))
        for written, (kind, spelling) in self._wanted.items():
            if written in words or (
                spelling == "raw" and not _WORD.fullmatch(written) and written in content
            ):
                yield Hit(kind, spelling, place)

    def in_folder(self, folder: Path, *, but: Iterable[str] = ()) -> Iterator[Hit]:
        """Every hit in every file below a folder; ``but`` names files that hold secrets by design."""
        for path in sorted(folder.rglob("*")):
            if path.is_file() and not path.is_symlink() and path.name not in but:
                yield from self.in_text(path.read_bytes(), str(path.relative_to(folder)))
