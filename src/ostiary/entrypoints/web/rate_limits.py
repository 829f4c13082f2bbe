"""Slowing down whoever tries too often; a route says what it counts next to itself (SR-68)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any, Final, cast

from fastapi import Depends, FastAPI, Request, params
from fastapi.routing import iter_route_contexts

from ostiary.core.access.rate_limits import LimitedAct
from ostiary.entrypoints.web.context import client_ip, find_principal, services
from ostiary.entrypoints.web.cookies import read_cookie

Subject = Callable[[Request], str | None]

_IPV6_CUSTOMER_BITS: Final = 64
"""One household or machine holds at least this much of IPv6, so that single addresses count nothing."""


def by_address(request: Request) -> str:
    """Return the visitor's address, behind the configured proxies only; for IPv6 the network."""
    text = client_ip(request) or ""
    try:
        address = ip_address(text)
    except ValueError:
        return f"address {text}"
    if isinstance(address, IPv6Address):
        mapped = address.ipv4_mapped
        if mapped is not None:
            return f"address {mapped}"
        return f"address {ip_network((address, _IPV6_CUSTOMER_BITS), strict=False)}"
    return f"address {address}"


def by_organization(request: Request) -> str | None:
    """Return the organization of a signed-in caller; None where there is none."""
    caller = find_principal(request)
    if caller is None or caller.organization_id is None:
        return None
    return f"organization {caller.organization_id}"


def by_cookie(name: str) -> Subject:
    """Return a subject that is the link or session whose secret the browser holds in a cookie."""

    def subject(request: Request) -> str | None:
        value = read_cookie(request, name)
        return None if value is None else f"{name} {value}"

    return subject


class Limit:
    """The count behind :func:`limited`."""

    def __init__(self, act: LimitedAct, subjects: Sequence[Subject]) -> None:
        self.act = act
        self._subjects = subjects

    async def __call__(self, request: Request) -> None:
        found = [subject(request) for subject in self._subjects]
        await services(request).rate_limits.spend(self.act, *(each for each in found if each is not None))


def limited(act: LimitedAct, *subjects: Subject) -> params.Depends:
    """Count each request of a route for the subjects that it has; the visitor's address by default.

    Stands after ``requires`` in a route's dependencies, so that only requests that may come are counted.
    """
    return cast(params.Depends, Depends(Limit(act, subjects or (by_address,))))


def limit_table(app: FastAPI) -> dict[tuple[str, str], LimitedAct]:
    """Return what each (method, path) counts, where it counts something."""
    table: dict[tuple[str, str], LimitedAct] = {}
    for context in iter_route_contexts(app.routes):
        for dependency in cast("Sequence[Any]", context.dependencies):
            limit = getattr(dependency, "dependency", None)
            if isinstance(limit, Limit):
                table.update(
                    ((method, context.path or ""), limit.act) for method in sorted(context.methods or set())
                )
    return table


async def count_guess(request: Request) -> None:
    """Count a wrong secret for the visitor's address.

    Raises:
        RateLimited: There were too many; the right one still works from there.
    """
    await services(request).rate_limits.spend(LimitedAct.GUESS, by_address(request))
