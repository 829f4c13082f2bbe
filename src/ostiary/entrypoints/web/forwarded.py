"""Who asks, and by which of our names: forwarded headers count only from known proxies (SR-59)."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from fastapi import Request
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from ostiary.entrypoints.web.addresses import Addresses
from ostiary.entrypoints.web.errors import error_answer
from ostiary.entrypoints.web.templates import see_other


class Forwarded:
    """Sets ``scope["scheme"]`` and ``state.client_ip``, and refuses requests for a name that is not ours."""

    def __init__(self, app: ASGIApp, *, addresses: Addresses, trusted_proxies: Sequence[str]) -> None:
        self._app = app
        self._addresses = addresses
        self._trusted = tuple(ip_network(text, strict=False) for text in trusted_proxies)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        peer = scope["client"][0] if scope.get("client") else ""
        host = headers.get("host", "")
        client_ip = peer
        if _is_in(peer, self._trusted):
            client_ip = _client_behind(peer, headers.getlist("x-forwarded-for"), self._trusted)
            scheme = headers.get("x-forwarded-proto", scope["scheme"]).split(",")[-1].strip()
            scope["scheme"] = scheme if scheme in {"http", "https"} else scope["scheme"]
            host = headers.get("x-forwarded-host", host).split(",")[-1].strip()
        scope["state"]["client_ip"] = client_ip or None
        if self._addresses.is_console_root(scope["scheme"], host, scope["path"]):
            await see_other("/console")(scope, receive, send)
            return
        hosts = headers.getlist("host")
        if len(hosts) != 1 or not self._addresses.serves(scope["scheme"], host, scope["path"]):
            answer = error_answer(
                Request(scope),
                status=421,
                title="This address isn’t served here",
                what=f"Open {self._addresses.origin_for(scope['path'])} instead.",
            )
            await answer(scope, receive, send)
            return
        await self._app(scope, receive, send)


def _client_behind(
    peer: str, forwarded_for: Sequence[str], trusted: Sequence[IPv4Network | IPv6Network]
) -> str:
    # Read from the right: each trusted proxy appends who spoke to it; what a stranger wrote comes first.
    client = peer
    for hop in reversed([part.strip() for line in forwarded_for for part in line.split(",")]):
        if _address(hop) is None:
            break
        client = hop
        if not _is_in(hop, trusted):
            break
    return client


def _is_in(text: str, networks: Sequence[IPv4Network | IPv6Network]) -> bool:
    address = _address(text) if networks else None
    return address is not None and any(address in network for network in networks)


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None
