"""The part of ``ostiary doctor`` that needs the running parts: mail, keys, permissions as customers granted them."""

from __future__ import annotations

from typing import Final

from ostiary.bootstrap import Services
from ostiary.core.consent.permissions import PERMISSIONS, missing_permissions, unexpected_permissions
from ostiary.core.kernel.access_method import AccessMethod
from ostiary.core.kernel.errors import OstiaryError
from ostiary.entrypoints.cli.doctor_changes import examine_changes
from ostiary.entrypoints.cli.finding import Finding

_LOOKED_AT: Final = 200


async def examine_services(services: Services) -> list[Finding]:
    """Look at everything that only an opened instance can tell."""
    return [
        await _parts(services),
        await _keys(services),
        await _mail(services),
        await _permissions(services),
        *await examine_changes(services),
    ]


async def _parts(services: Services) -> Finding:
    parts = await services.health.readiness()
    bad = [name for name, works in parts.items() if not works]
    if bad:
        return Finding(
            "service", False, f"not working: {', '.join(bad)}", "The log of `ostiary serve` says why."
        )
    return Finding("service", True, "every part answers")


async def _keys(services: Services) -> Finding:
    now = services.clock.now()
    try:
        worn = await services.key_rotation.worn()
    except OstiaryError as error:
        return Finding("keys", False, error.message, "Check the key service and its settings.")
    over = [key for key in worn if key.is_over(now)]
    if over:
        words = f"{len(over)} keys are used beyond a year or 2^32 times"
        return Finding("keys", False, words, "Run: ostiary keys rotate")
    due = sum(key.is_due(now) for key in worn)
    words = f"{len(worn)} in use, {due} due for rotation, which a worker does daily"
    return Finding("keys", True, words)


async def _mail(services: Services) -> Finding:
    if not services.notices.is_on:
        advice = "Set OSTIARY_SMTP_URL and OSTIARY_MAIL_FROM; until then people pass links on by hand."
        return Finding("mail", True, "off: no mail is sent", advice)
    try:
        await services.notices.check()
    except OstiaryError as error:
        return Finding("mail", False, error.message, "Check OSTIARY_SMTP_URL: host, port, user and password.")
    return Finding("mail", True, "the mail server takes mail from us")


async def _permissions(services: Services) -> Finding:
    """Compare what we ask for with what tokens held: Microsoft shows an app's registration only to its owner."""
    page = await services.connections.page(organization_id=None, limit=_LOOKED_AT)
    seen = [connection for connection in page.items if connection.granted_scopes]
    if not seen:
        return Finding(
            "permissions", True, "nobody is connected yet: nothing to compare with", _expected(services)
        )
    extra = sorted(
        {name for each in seen for name in unexpected_permissions(each.granted_scopes)} - {".default"}
    )
    missing = sorted(
        {
            permission.name
            for each in seen
            for permission in missing_permissions(each.method, each.granted_scopes)
        }
    )
    if missing:
        words = f"some of {len(seen)} connections lack {', '.join(missing)}"
        return Finding("permissions", False, words, _expected(services))
    if extra:
        words = f"tokens also hold {', '.join(extra)}, which we never ask for"
        return Finding("permissions", True, words, "Remove these from the registration: nobody needs them.")
    return Finding("permissions", True, f"{len(seen)} connections hold exactly what we ask for")


def _expected(services: Services) -> str:
    methods = sorted({method for each in services.registrations for method in each.methods})
    said = [f"{method.label}: {', '.join(_names(method))}" for method in methods]
    return f"Delegated permissions of the registration: {'; '.join(said)}."


def _names(method: AccessMethod) -> list[str]:
    return [permission.name for permission in PERMISSIONS[method]]
