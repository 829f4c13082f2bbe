"""What to say of email or calendar when only the other is connected (UX §6.2)."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import Request

from ostiary.core.connections.model import Connection
from ostiary.core.consent.features import Feature, lacking
from ostiary.core.organizations.model import Organization
from ostiary.core.reasons.explain import explain
from ostiary.core.reasons.model import Where
from ostiary.entrypoints.web.context import services


@dataclass(frozen=True, slots=True)
class LeftOut:
    """The one of email and calendar that a person asked for and does not have."""

    feature: Feature
    reason_id: str
    why: str
    """One sentence, with its full stop."""


def left_out_of(
    request: Request, connection: Connection | None, organization: Organization
) -> LeftOut | None:
    """Return what a connection lacks although it was asked for, and why; None when nothing is."""
    if connection is None or connection.left_out_reason is None or connection.mail == connection.calendar:
        return None
    feature = Feature.CALENDAR if connection.mail else Feature.MAIL
    missing = lacking(
        connection.method,
        connection.granted_scopes,
        mail=feature is Feature.MAIL,
        calendar=feature is Feature.CALENDAR,
    )
    words = explain(
        connection.left_out_reason,
        where=Where.CONNECT,
        variant=feature.value,
        values={
            "vendor": services(request).settings.vendor_name,
            "org": organization.name,
            "account": connection.address,
            "n": str(len(missing)),
            "list": ", ".join(permission.name for permission in missing),
            "feature": feature.label,
        },
    )
    return LeftOut(feature, words.reason_id, words.why)
