"""Where webhooks may go: a customer's or attacker's address must not lead us into our own network (SR-78).

Addresses are judged by our own table of special uses: the flags of Python's ``ipaddress`` differ from version to
version and let multicast, NAT64 and 6to4 through in some.
Source: the IANA IPv4 and IPv6 Special-Purpose Address Registries, and RFC 6890, 6052, 3056, 4380 and 8215.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final
from urllib.parse import urlsplit

from ostiary.core.kernel.errors import InvalidRequest

LONGEST_URL: Final = 2000

_SPECIAL_4: Final = tuple(
    IPv4Network(text)
    for text in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",
        "100.64.0.0/10",  # carrier-grade NAT
        "127.0.0.0/8",
        "169.254.0.0/16",  # link-local, and the metadata services of clouds
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.31.196.0/24",
        "192.52.193.0/24",
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",
        "192.175.48.0/24",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and broadcast
    )
)
_GLOBAL_6: Final = IPv6Network("2000::/3")
"""The only part of the address space that is routed on the Internet; everything else is special."""
_SPECIAL_6: Final = tuple(
    IPv6Network(text)
    for text in (
        "2001::/23",  # protocol assignments, Teredo, benchmarking, ORCHID
        "2001:db8::/32",
        "2002::/16",  # 6to4: unpacked first
        "2620:4f:8000::/48",
        "3fff::/20",
        "3ffe::/16",
    )
)
_NAT64: Final = IPv6Network("64:ff9b::/96")
_SIX_TO_FOUR: Final = IPv6Network("2002::/16")
_TEREDO: Final = IPv6Network("2001::/32")


@dataclass(frozen=True, slots=True)
class EgressRules:
    """What this instance allows."""

    ports: frozenset[int] = frozenset({443})
    own_hosts: frozenset[str] = frozenset()
    """Names of this very instance: a webhook to ourselves would let outsiders speak with our inside."""
    allow_private: bool = False
    """For development: plain http, and addresses of this machine and its network."""


def check_url(url: str, rules: EgressRules) -> None:
    """Check an endpoint's address by its text; its name is resolved and checked when it is called.

    Raises:
        InvalidRequest: With what is wrong with it.
    """
    if len(url) > LONGEST_URL or not url.isascii() or not url.isprintable() or " " in url:
        raise _refused(f"An address has at most {LONGEST_URL} plain characters and no blanks.")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise _refused("This is no address.") from None
    host = parts.hostname
    if not host or parts.scheme not in ("https", "http"):
        raise _refused("The address has to begin with https:// and a host.")
    if parts.scheme == "http" and not rules.allow_private:
        raise _refused("The address has to begin with https://.")
    if parts.username is not None or parts.password is not None:
        raise _refused("The address must not hold a name or password; requests are signed instead.")
    if parts.fragment:
        raise _refused("The part after # is never sent; leave it out.")
    if "\\" in url:
        raise _refused("The address must not hold a backslash.")
    if not rules.allow_private and (port or 443) not in rules.ports:
        allowed = ", ".join(str(each) for each in sorted(rules.ports))
        raise _refused(f"This port is not allowed; allowed: {allowed}.")
    if host.rstrip(".").lower() in rules.own_hosts and not rules.allow_private:
        raise _refused("The address leads to this service itself.")
    try:
        literal = ip_address(host)
    except ValueError:
        if _looks_numeric(host):
            raise _refused("Write an IP address in its usual form, or a name.") from None
        return
    if not is_allowed(literal, rules):
        raise _refused("This is an address of a private or special network.")


def is_allowed(address: IPv4Address | IPv6Address, rules: EgressRules) -> bool:
    """Whether a connection to this very address may be opened."""
    return is_public(address) or rules.allow_private


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Whether an address belongs to the public Internet, an IPv4 address inside an IPv6 one included."""
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _SPECIAL_4)
    inner = _embedded(address)
    if inner is not None:
        return is_public(inner)
    return (
        address.scope_id is None
        and address in _GLOBAL_6
        and not any(address in network for network in _SPECIAL_6)
    )


def public_only(answers: Collection[str], rules: EgressRules) -> bool:
    """Whether every answer of a name server may be called: one bad one spoils a name."""
    return bool(answers) and all(is_allowed(ip_address(answer), rules) for answer in answers)


def _embedded(address: IPv6Address) -> IPv4Address | None:
    """Return the IPv4 address that packets to ``address`` would end at, where there is one."""
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    number = int(address)
    if address in _NAT64:
        return IPv4Address(number & 0xFFFFFFFF)
    if address in _SIX_TO_FOUR:
        return IPv4Address((number >> 80) & 0xFFFFFFFF)
    if address in _TEREDO:
        return IPv4Address(~number & 0xFFFFFFFF)
    return None


def _looks_numeric(host: str) -> bool:
    """Whether a resolver could take ``host`` for a number: 2130706433, 0x7f.1, 0177.0.0.1 all mean this machine."""
    last = host.rstrip(".").rsplit(".", 1)[-1].lower()
    return last.isdigit() or (last.startswith("0x") and all(letter in "0123456789abcdefx" for letter in last))


def _refused(message: str) -> InvalidRequest:
    return InvalidRequest(message, field="url")
