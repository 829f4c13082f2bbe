"""Email and calendar: what a connection is made of, and which of the two can be had. Pure, no I/O."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Final

from ostiary.core.consent.permissions import Permission, missing_permissions
from ostiary.core.kernel.access_method import AccessMethod


class Feature(StrEnum):
    """One of the two things a person can connect."""

    MAIL = "mail"
    CALENDAR = "calendar"

    @property
    def label(self) -> str:
        """The word that pages use within a sentence."""
        return "email" if self is Feature.MAIL else "calendar"

    @property
    def other(self) -> Feature:
        return Feature.CALENDAR if self is Feature.MAIL else Feature.MAIL


_PERMISSION_PREFIX: Final = {Feature.MAIL: "Mail.", Feature.CALENDAR: "Calendars."}


def chosen_features(*, mail: bool, calendar: bool) -> frozenset[Feature]:
    """The two tick boxes as a set."""
    return frozenset(
        feature for feature, wanted in ((Feature.MAIL, mail), (Feature.CALENDAR, calendar)) if wanted
    )


def lacking(
    method: AccessMethod, granted: Iterable[str], *, mail: bool, calendar: bool
) -> tuple[Permission, ...]:
    """Permissions that what the person chose needs and Microsoft did not give (SR-23)."""
    unneeded = tuple(
        _PERMISSION_PREFIX[feature]
        for feature in set(Feature) - chosen_features(mail=mail, calendar=calendar)
    )
    return tuple(
        permission
        for permission in missing_permissions(method, granted)
        if not permission.name.startswith(unneeded)
    )


def grantable_features(method: AccessMethod, granted: Iterable[str]) -> frozenset[Feature]:
    """The features that need nothing beyond ``granted``; none while something that both need is missing."""
    names = frozenset(granted)
    return frozenset(
        feature
        for feature in Feature
        if not lacking(method, names, mail=feature is Feature.MAIL, calendar=feature is Feature.CALENDAR)
    )


def feature_to_leave_out(missing: Iterable[str], chosen: frozenset[Feature]) -> Feature | None:
    """The one of two chosen features that all missing permissions are for, so that the other can go on alone."""
    names = tuple(missing)
    if not names or len(chosen) < 2:
        return None
    return next(
        (
            feature
            for feature, prefix in _PERMISSION_PREFIX.items()
            if all(name.startswith(prefix) for name in names)
        ),
        None,
    )
