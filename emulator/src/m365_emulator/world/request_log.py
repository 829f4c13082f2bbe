"""What was asked of the emulator and what it answered, with secrets masked."""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

MAX_BODY_BYTES = 16_384
"""Bodies are cut here, so that uploads do not fill memory."""

_SECRET_FIELDS = re.compile(
    r"(?P<name>client_secret|client_assertion|assertion|password|passwd|refresh_token|access_token|id_token"
    r"|code_verifier|device_code|code)(?P<sep>=|\"\s*:\s*\")(?P<value>[^&\"\s]+)"
)


def mask(text: str) -> str:
    """Hide the values of secret fields in a form, query or JSON text."""

    def _hide(found: re.Match[str]) -> str:
        return f"{found['name']}{found['sep']}{found['value'][:4]}…"

    return _SECRET_FIELDS.sub(_hide, text)


def mask_header(name: str, value: str) -> str:
    """Hide credentials in a header value, keeping its scheme."""
    if name in ("authorization", "proxy-authorization"):
        return f"{value.split(' ', 1)[0]} …"
    if name in ("cookie", "set-cookie"):
        return re.sub(r"=[^;]*", "=…", value, count=0 if name == "cookie" else 1)
    return mask(value) if name == "location" else value


@dataclass(slots=True)
class LoggedRequest:
    """One exchange."""

    number: int
    at: str
    method: str
    host: str
    path: str
    query: str
    status: int
    milliseconds: float
    tenant_id: str | None = None
    app_id: str | None = None
    correlation_id: str | None = None
    fault: str | None = None
    request_headers: dict[str, str] = field(default_factory=dict[str, str])
    request_body: str = ""
    response_headers: dict[str, str] = field(default_factory=dict[str, str])
    response_body: str = ""

    def as_text(self) -> str:
        """Return the request as it would look on the wire, masked."""
        target = self.path + (f"?{self.query}" if self.query else "")
        head = [f"{self.method} {target} HTTP/1.1", f"host: {self.host}"]
        head += [f"{name}: {value}" for name, value in self.request_headers.items()]
        return "\n".join(head) + "\n\n" + self.request_body


class RequestLog:
    """The last requests, newest last; optionally every one as a line of a file."""

    def __init__(self, *, limit: int = 2_000, record_to: Path | None = None) -> None:
        self._entries: deque[LoggedRequest] = deque(maxlen=limit)
        self._next = 1
        self._record_to = record_to

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def keeps_response_bodies(self) -> bool:
        """True when every answer is recorded in full, for conformance checks."""
        return self._record_to is not None

    def next_number(self) -> int:
        """Reserve the number of the next entry."""
        number, self._next = self._next, self._next + 1
        return number

    def add(self, entry: LoggedRequest) -> None:
        """Append one exchange."""
        self._entries.append(entry)
        if self._record_to is not None:
            with self._record_to.open("a", encoding="utf-8") as lines:
                lines.write(json.dumps(asdict(entry)) + "\n")

    def clear(self) -> None:
        """Forget everything; numbers go on."""
        self._entries.clear()

    def find(self, number: int) -> LoggedRequest | None:
        """Return the entry with this number, if it is still kept."""
        return next((entry for entry in self._entries if entry.number == number), None)

    def newest(
        self, count: int, wanted: Callable[[LoggedRequest], bool] | None = None
    ) -> list[LoggedRequest]:
        """Return at most `count` entries, newest first."""
        found: list[LoggedRequest] = []
        for entry in reversed(self._entries):
            if wanted is None or wanted(entry):
                found.append(entry)
                if len(found) == count:
                    break
        return found


def visible_headers(raw: Iterable[tuple[bytes, bytes]], skip: frozenset[str] = frozenset()) -> dict[str, str]:
    """Decode and mask headers for the log."""
    shown: dict[str, str] = {}
    for name, value in raw:
        key = name.decode("latin-1").lower()
        if key not in skip:
            shown[key] = mask_header(key, value.decode("latin-1"))
    return shown


def matcher(
    *, path: str = "", tenant: str = "", app: str = "", status: int | None = None, since: int = 0
) -> Callable[[LoggedRequest], bool]:
    """Build a filter: `path` is a part of the path, `since` an entry number (exclusive)."""

    def _wanted(entry: LoggedRequest) -> bool:
        return (
            path.lower() in entry.path.lower()
            and (not tenant or entry.tenant_id == tenant)
            and (not app or entry.app_id == app)
            and (status is None or entry.status == status)
            and entry.number > since
        )

    return _wanted


def as_dict(entry: LoggedRequest) -> dict[str, Any]:
    """Return the entry for a JSON answer."""
    return asdict(entry)
