"""The app registrations: what customers see of them, where they return to, when credentials end (UX §10)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from fastapi import APIRouter, Request, Response

from ostiary.bootstrap import credential_facts
from ostiary.core.access.model import Permission
from ostiary.core.signin.credentials import CredentialFact
from ostiary.core.signin.model import AppRegistration, FlowKind, RedirectAddresses
from ostiary.entrypoints.console.shell import render_operator
from ostiary.entrypoints.web.context import services
from ostiary.entrypoints.web.permissions import requires

router = APIRouter(include_in_schema=False)

WARN_DAYS: Final = 60
"""Days before the end of a credential from which on the page warns."""

BAD_DAYS: Final = 14


@dataclass(frozen=True, slots=True)
class CredentialRow:
    """One credential and how long it lasts."""

    fact: CredentialFact
    days_left: int | None

    @property
    def tone(self) -> str:
        """``bad`` in the last fortnight, ``warn`` in the last two months and where nobody here can know."""
        if self.days_left is None:
            return "warn"
        if self.days_left <= BAD_DAYS:
            return "bad"
        return "warn" if self.days_left <= WARN_DAYS else "ok"


@dataclass(frozen=True, slots=True)
class AppRow:
    """One registration."""

    registration: AppRegistration
    methods: str
    addresses: tuple[str, ...]
    credentials: tuple[CredentialRow, ...]


@router.get("/operator/apps", dependencies=[requires(Permission.OPERATOR_READ)])
async def show_apps(request: Request) -> Response:
    """Show each registration as it is configured."""
    at = services(request)
    now = at.clock.now()
    addresses = RedirectAddresses(at.settings.public_url, at.settings.effective_console_url)
    facts = credential_facts(at.settings)
    rows = [
        AppRow(
            registration,
            " and ".join(sorted(method.label for method in registration.methods)),
            tuple(dict.fromkeys(addresses.redirect_uri(kind, registration.id) for kind in FlowKind)),
            tuple(
                CredentialRow(fact, fact.days_left(now))
                for fact in facts
                if fact.registration_id == registration.id
            ),
        )
        for registration in at.registrations
    ]
    return render_operator(request, "console/operator_apps.html", section="apps", rows=rows)
