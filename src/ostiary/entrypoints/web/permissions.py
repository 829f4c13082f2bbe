"""Each route says who may call it; a silent one stops the start (SR-62, SR-63)."""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from typing import Any, Final, cast

from fastapi import Depends, FastAPI, Request, params
from fastapi.routing import APIRoute, iter_route_contexts

from ostiary.core.access.api_key import KEY_PREFIX
from ostiary.core.access.model import Permission, Principal, Role
from ostiary.core.kernel.errors import PermissionDenied
from ostiary.core.kernel.reach import Duty, confine, declare, instance_wide
from ostiary.core.kernel.secret import Secret
from ostiary.entrypoints.web.browser import verify_form
from ostiary.entrypoints.web.context import actor, client_ip, services
from ostiary.entrypoints.web.cookies import read_cookie
from ostiary.entrypoints.web.errors import SignInNeeded, StepUpNeeded
from ostiary.entrypoints.web.held_form import read_form
from ostiary.entrypoints.web.rate_limits import count_guess

SESSION_COOKIE: Final = "__Host-ostiary-session"

SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_API: Final = frozenset(
    {
        Permission.API_READ,
        Permission.API_MANAGE,
        Permission.API_MAILBOX_READ,
        Permission.API_MAILBOX_WRITE,
    }
)
_MAILBOX: Final = frozenset({Permission.API_MAILBOX_READ, Permission.API_MAILBOX_WRITE})
_READING: Final = frozenset(
    {Permission.CONSOLE_READ, Permission.OPERATOR_READ, Permission.API_READ, Permission.METRICS_READ}
)


class Requirement:
    """The check behind :func:`requires`."""

    def __init__(
        self,
        permission: Permission,
        *,
        form: bool,
        fresh: bool = False,
        uses_mailbox: bool = False,
        only_ids: bool = False,
    ) -> None:
        self.permission = permission
        self.only_ids = only_ids
        self.form = form
        self.fresh = fresh
        self.duty = Duty.MAILBOX if uses_mailbox else Duty.RECORDS if only_ids else _duty_of(permission)

    async def __call__(self, request: Request) -> None:
        # Who it is stands in rows that belong to anybody; whose rows the rest may see follows from that (SR-64).
        declare(instance_wide(self.duty))
        caller = await _authenticate(request, self.permission)
        if caller is not None and caller.role is Role.ORGANIZATION_ADMIN:
            confine(caller.organization_id or "")
        if caller is not None:
            request.state.principal = caller
            if not caller.may(self.permission):
                await services(request).access.record_denial(caller, self.permission, actor=actor(request))
                raise PermissionDenied("You are signed in, but this isn’t yours to see or change.")
            if self.permission is Permission.API_MAILBOX_READ and not self.only_ids:
                await services(request).bulk_reads.count(caller.id, name=caller.name)
        if self.form and request.method not in SAFE_METHODS:
            await verify_form(request)
        if self.fresh and caller is not None and not caller.is_fresh(services(request).clock.now()):
            # After the anti-forgery token: nobody else's form is held for this person to send.
            raise StepUpNeeded(await read_form(request, caller.id))


def requires(
    permission: Permission,
    *,
    form: bool | None = None,
    fresh: bool = False,
    uses_mailbox: bool = False,
    only_ids: bool = False,
) -> params.Depends:
    """Declare the one permission of a route.

    Args:
        permission: ``PUBLIC`` for pages that guard themselves by a link, session secret or browser binding.
        form: Whether changing requests come from our own pages and need the anti-forgery token. By default
            they do, except for the API, whose callers carry a key and no cookie.
        fresh: The person must have proved who they are within five minutes (SR-57). One who did not is led to
            Microsoft and back to the form as it was.
        uses_mailbox: The route needs a connection's saved sign-in although its permission is not about mailboxes;
            a test lists each (SR-40).
        only_ids: The route tells ids and times and opens no mailbox: it needs no saved sign-in and is no bulk read,
            however often it is asked (SR-51).
    """
    guarded = permission not in _API if form is None else form
    requirement = Requirement(
        permission, form=guarded, fresh=fresh, uses_mailbox=uses_mailbox, only_ids=only_ids
    )
    return cast(params.Depends, Depends(requirement))


def _duty_of(permission: Permission) -> Duty:
    if permission in _MAILBOX:
        return Duty.MAILBOX
    return Duty.RECORDS if permission in _API else Duty.PAGES


async def _authenticate(request: Request, permission: Permission) -> Principal | None:
    if permission is Permission.PUBLIC:
        return None
    if permission in _API:
        return await _api_caller(request)
    if permission is Permission.METRICS_READ:
        return await _metrics_caller(request)
    return await _console_caller(request)


async def _console_caller(request: Request) -> Principal:
    value = read_cookie(request, SESSION_COOKIE)
    found = None if value is None else await services(request).access.find_session(Secret(value))
    if found is None:
        raise SignInNeeded("console")
    return found


async def _api_caller(request: Request) -> Principal:
    key = _bearer(request)
    if key is None:
        raise SignInNeeded("api")
    found = await services(request).access.authenticate_api_key(key, ip=client_ip(request))
    if found is None:
        await count_guess(request)
        raise SignInNeeded("api")
    return found


async def _metrics_caller(request: Request) -> Principal | None:
    """A key with ``metrics.read``, the token of the settings, or without one somebody on this machine (SR-110)."""
    expected = services(request).settings.metrics_token
    given = _bearer(request)
    if given is not None and given.reveal().startswith(KEY_PREFIX):
        return await _api_caller(request)
    if expected is None:
        if given is None and client_ip(request) in {"127.0.0.1", "::1"}:
            return None
        raise SignInNeeded("api")
    if given is None:
        raise SignInNeeded("api")
    if not hmac.compare_digest(given.reveal().encode(), expected.get_secret_value().encode()):
        await count_guess(request)
        raise SignInNeeded("api")
    return None


def _bearer(request: Request) -> Secret | None:
    values = request.headers.getlist("authorization")
    if len(values) != 1:
        return None
    scheme, _, value = values[0].partition(" ")
    return Secret(value.strip()) if scheme.lower() == "bearer" and value.strip() else None


class RouteWithoutPermission(RuntimeError):
    """A programming mistake that must not go live."""


def permission_table(app: FastAPI) -> dict[tuple[str, str], Permission]:
    """Return the permission of every (method, path).

    Raises:
        RouteWithoutPermission: A route declares none or several, changes things under a permission to read,
            or is of a kind that cannot declare one.
    """
    table: dict[tuple[str, str], Permission] = {}
    for context in iter_route_contexts(app.routes):
        path = context.path or "?"
        if not isinstance(context.original_route, APIRoute):
            raise RouteWithoutPermission(f"{path} is not an API route, so it cannot declare a permission")
        declared = _requirements(cast("Sequence[Any]", context.dependencies))
        if len(declared) != 1:
            raise RouteWithoutPermission(f"{path} declares {len(declared)} permissions instead of one")
        permission = declared[0].permission
        methods = context.methods or set()
        if methods - SAFE_METHODS and permission in _READING:
            raise RouteWithoutPermission(f"{path} changes things but asks only for {permission}")
        table.update(dict.fromkeys(((method, path) for method in sorted(methods)), permission))
    return table


def fresh_acts(app: FastAPI) -> set[tuple[str, str]]:
    """Return every (method, path) that asks for a fresh proof of who the person is."""
    found: set[tuple[str, str]] = set()
    for context in iter_route_contexts(app.routes):
        declared = _requirements(cast("Sequence[Any]", context.dependencies))
        if any(requirement.fresh for requirement in declared):
            found.update((method, context.path or "") for method in context.methods or set())
    return found


def _requirements(dependencies: Sequence[Any]) -> list[Requirement]:
    return [
        dependency.dependency
        for dependency in dependencies
        if isinstance(getattr(dependency, "dependency", None), Requirement)
    ]
