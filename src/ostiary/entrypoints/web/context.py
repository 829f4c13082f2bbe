"""What a route reaches through its request: services, the caller, the actor for the audit trail."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from fastapi import Request

from ostiary.core.access.model import Principal, Role
from ostiary.core.audit.model import Actor, ActorKind
from ostiary.core.kernel.errors import PermissionDenied

if TYPE_CHECKING:
    from ostiary.bootstrap import Services

_KINDS = {
    Role.OPERATOR: ActorKind.OPERATOR,
    Role.ORGANIZATION_ADMIN: ActorKind.PERSON,
    Role.API_KEY: ActorKind.API_KEY,
}


def services(request: Request) -> Services:
    """Return the services that the process was started with."""
    return cast("Services", request.app.state.services)


def principal(request: Request) -> Principal:
    """Return the authenticated caller of a route that requires a permission.

    Raises:
        PermissionDenied: The route is public, so nobody was authenticated.
    """
    found = find_principal(request)
    if found is None:
        raise PermissionDenied("Nobody is signed in.")
    return found


def find_principal(request: Request) -> Principal | None:
    """Return the caller if the route authenticated one."""
    return cast("Principal | None", getattr(request.state, "principal", None))


def organization_id(request: Request) -> str:
    """Return the one organization that the caller may see on this page.

    Raises:
        PermissionDenied: An operator who has not chosen a customer.
    """
    found = principal(request).organization_id
    if found is None:
        raise PermissionDenied("Choose a customer first.")
    return found


def actor(request: Request, *, name: str = "", id: str = "") -> Actor:  # noqa: A002 - the audit field's name
    """Return who acts, for the audit trail: the caller, else an anonymous visitor with what is known.

    Args:
        name: Of a person whom a link or session names although nobody signed in.
        id: Likewise, the member's id.
    """
    ip = client_ip(request)
    number = request_id(request)
    found = find_principal(request)
    if found is not None:
        return Actor(_KINDS[found.role], id=found.id, name=found.name, ip=ip, request_id=number)
    kind = ActorKind.PERSON if id else ActorKind.ANONYMOUS
    return Actor(kind, id=id, name=name, ip=ip, request_id=number)


def client_ip(request: Request) -> str | None:
    """Return the visitor's address, behind the configured proxies."""
    return cast("str | None", getattr(request.state, "client_ip", None))


def request_id(request: Request) -> str:
    """Return the request's reference, which is also in the answer's headers and in the log."""
    return cast(str, getattr(request.state, "request_id", ""))
