"""Facts that every page of the approval site shows: what to check, what to grant, who asks."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import Request

from ostiary.core.consent.model import EWS_ENDS_ON
from ostiary.core.consent.permissions import PERMISSIONS, Permission
from ostiary.core.kernel.access_method import AccessMethod
from ostiary.core.reasons.explain import fill
from ostiary.core.signin.model import AppRegistration
from ostiary.entrypoints.web.addresses import origin
from ostiary.entrypoints.web.context import services
from ostiary.entrypoints.web.sign_in_host import sign_in_host

SHORT_NAMES = {AccessMethod.GRAPH: "Graph", AccessMethod.EWS: "EWS"}
"""As the buttons call them."""


@dataclass(frozen=True, slots=True)
class PermissionLine:
    """One permission with its reason, in the vendor's name."""

    name: str
    can: str
    so_that: str


@dataclass(frozen=True, slots=True)
class Genuine:
    """What an IT administrator compares before going on (UX §4.1)."""

    app_ids: tuple[str, ...]
    sign_in_host: str
    return_host: str


def permission_lines(request: Request, method: AccessMethod) -> tuple[PermissionLine, ...]:
    """Return the permissions we ask for, from the one table that the requests are made of (SR-23)."""
    values = {"vendor": services(request).settings.vendor_name}
    return tuple(
        PermissionLine(each.name, fill(each.can, values), fill(each.so_that, values))
        for each in PERMISSIONS[method]
    )


def permission_names(permissions: tuple[Permission, ...]) -> str:
    """Return Microsoft's names in one line."""
    return ", ".join(permission.name for permission in permissions)


def genuine_facts(request: Request) -> Genuine:
    """Return application ids and hosts, from the settings alone: nothing of it comes from the address."""
    known = services(request)
    ids = dict.fromkeys(registration.client_id for registration in known.registrations)
    return Genuine(
        app_ids=tuple(ids),
        sign_in_host=sign_in_host(request),
        return_host=origin(known.settings.public_url).partition("://")[2],
    )


def app_id_for(request: Request, method: AccessMethod) -> str:
    """Return the application id that serves a method; the main one where none does."""
    found: AppRegistration | None = next(
        (each for each in services(request).registrations if method in each.methods), None
    )
    return services(request).settings.app_client_id if found is None else found.client_id


def ews_ends_on() -> str:
    """Return the day Microsoft ends EWS, as pages write it."""
    return f"{EWS_ENDS_ON.day} {EWS_ENDS_ON:%B %Y}"
