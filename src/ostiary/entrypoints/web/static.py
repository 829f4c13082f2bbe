"""Our stylesheet and scripts, each under a name that changes with its content."""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass
from importlib import resources
from typing import Final

from ostiary.core.kernel.errors import NotFound

_MEDIA_TYPES: Final = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}


@dataclass(frozen=True, slots=True)
class StaticFile:
    """One file, ready to send."""

    media_type: str
    content: bytes
    compressed: bytes


class StaticFiles:
    """The files of ``web/static``, read once at start."""

    def __init__(self) -> None:
        self._addresses: dict[str, str] = {}
        self._files: dict[str, StaticFile] = {}
        folder = resources.files("ostiary.entrypoints.web") / "static"
        for file in folder.iterdir():
            stem, _, ending = file.name.rpartition(".")
            if ending not in _MEDIA_TYPES:
                continue
            content = file.read_bytes()
            name = f"{stem}.{hashlib.sha256(content).hexdigest()[:12]}.{ending}"
            self._addresses[file.name] = f"/static/{name}"
            self._files[name] = StaticFile(_MEDIA_TYPES[ending], content, gzip.compress(content, 9, mtime=0))

    def address(self, name: str) -> str:
        """Return where browsers find the file called ``name``. Raises KeyError for one that is not there."""
        return self._addresses[name]

    def get(self, hashed_name: str) -> StaticFile:
        """Raises NotFound."""
        found = self._files.get(hashed_name)
        if found is None:
            raise NotFound("There is no such file.")
        return found
