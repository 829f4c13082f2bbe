"""Our own names: which host serves which paths, and how origins are compared (SR-58, SR-59)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, cast
from urllib.parse import urlsplit

from fastapi import Request

CONSOLE_PATHS: Final = ("/console", "/operator", "/v1")
"""Served by the console's host only, where that is another one than the public host."""

PROBE_PATHS: Final = ("/healthz", "/readyz", "/health", "/metrics")
"""Asked by machines that know no name of ours."""

_SHARED_PATHS: Final = (
    "/static",
    "/theme",
    "/csp-report",
    "/genuine",
    "/privacy",
    "/accessibility",
    "/status",
    "/help",
    "/ref",
)
"""Served by both hosts, because pages of both need them."""

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


class Addresses:
    """The origins this instance is reached at."""

    def __init__(self, *, public_url: str, console_url: str) -> None:
        self.public_origin = origin(public_url)
        self.console_origin = origin(console_url)

    def origin_for(self, path: str) -> str:
        """Return the origin that serves ``path``."""
        return self.console_origin if is_below(path, CONSOLE_PATHS) else self.public_origin

    def is_console_root(self, scheme: str, host: str, path: str) -> bool:
        """Whether somebody typed the console's bare address."""
        return (
            path == "/"
            and self.console_origin != self.public_origin
            and origin(f"{scheme}://{host}") == self.console_origin
        )

    def serves(self, scheme: str, host: str, path: str) -> bool:
        """Whether a request for ``path`` may come in by this scheme and Host header."""
        if is_below(path, PROBE_PATHS):
            return True
        asked = origin(f"{scheme}://{host}")
        if is_below(path, CONSOLE_PATHS):
            return asked == self.console_origin
        return asked == self.public_origin or (asked == self.console_origin and is_below(path, _SHARED_PATHS))


def origin(address: str) -> str:
    """Return scheme, host and port of an address as browsers write an origin; empty when it has none."""
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        return ""
    if not parts.hostname or parts.username is not None:
        return ""
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    shown = "" if port is None or port == _DEFAULT_PORTS.get(parts.scheme) else f":{port}"
    return f"{parts.scheme}://{host}{shown}"


def is_below(path: str, prefixes: Sequence[str]) -> bool:
    """Whether ``path`` is one of the prefixes or lies below one."""
    return any(path == prefix or path.startswith(prefix + "/") for prefix in prefixes)


def expected_origins(request: Request) -> frozenset[str]:
    """Return the origins that a form posted to this address may come from."""
    addresses = cast(Addresses, request.app.state.addresses)
    return frozenset({addresses.origin_for(request.url.path)})


def local_path(text: str | None) -> str | None:
    """Return ``text`` if it is a path of our own, safe to redirect to (SR-25); None otherwise."""
    if not text or len(text) > 500 or not text.startswith("/") or text.startswith(("//", "/\\")):
        return None
    if "\\" in text or any(ord(letter) < 0x21 or ord(letter) == 0x7F for letter in text):
        return None
    return text
