"""Failure pages of the connect flow: the reason's words and steps that really work here (UX §5, §7)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from fastapi import Request, Response

from ostiary.core.connections.confirmation import vendor_page
from ostiary.core.connections.model import ConnectSession, ConnectSessionState
from ostiary.core.connections.service import SessionView
from ostiary.core.kernel.access_method import AccessMethod
from ostiary.core.organizations.model import Member, MemberRole, Organization
from ostiary.core.reasons.classify import variant_of
from ostiary.core.reasons.explain import Explanation, explain
from ostiary.core.reasons.model import Action, Where
from ostiary.core.signin.model import PERSONAL_ACCOUNTS_TENANT_ID
from ostiary.entrypoints.site.facts import app_id_for
from ostiary.entrypoints.site.reason_page import Step, mail_address, mark_of, shown_copyables
from ostiary.entrypoints.web.context import services
from ostiary.entrypoints.web.sign_in_host import sign_in_origin
from ostiary.entrypoints.web.templates import render, written_date, written_moment

START: Final = "/connect/start"


@dataclass(frozen=True, slots=True)
class Trouble:
    """What stopped somebody, with what is known about them."""

    reason: str | None
    session: ConnectSession | None = None
    organization: Organization | None = None
    member: Member | None = None
    organization_admin: Member | None = None
    connected_since: str | None = None
    account: str | None = None
    can_start: bool = False
    """The session is open, so that a button may lead to Microsoft again."""


async def trouble_of(request: Request, view: SessionView) -> Trouble:
    """Return what a finished attempt failed by."""
    session = view.session
    now = services(request).clock.now()
    return Trouble(
        reason=session.reason,
        session=session,
        organization=view.organization,
        member=view.member,
        organization_admin=await find_organization_admin(request, view.organization.id),
        account=session.account,
        can_start=session.is_open(now),
    )


async def find_organization_admin(request: Request, organization_id: str) -> Member | None:
    """Return somebody who gives out licences in the organization, if there is one."""
    async with services(request).transactions() as transaction:
        page = await transaction.members.page(organization_id=organization_id, limit=200)
    return next((each for each in page.items if each.role is MemberRole.ORGANIZATION_ADMIN), None)


def render_trouble(request: Request, trouble: Trouble, *, status_code: int = 200) -> Response:
    """Answer with the failure page."""
    explanation = explain_trouble(request, trouble)
    session = trouble.session
    provider = None if session is None else session.provider
    now = services(request).clock.now()
    return render(
        request,
        "site/connect/problem.html",
        status_code=status_code,
        form_targets=[sign_in_origin(request)] if trouble.can_start else [],
        explanation=explanation,
        mark=mark_of(explanation),
        happened=_happened(request, trouble, explanation),
        steps=steps_of(request, explanation, trouble),
        copyables=shown_copyables(explanation),
        organization=None if trouble.organization is None else trouble.organization.name,
        reference=None if session is None else session.reference,
        support=[
            ("Reference", None if session is None else session.reference),
            ("Reason", explanation.reason_id),
            ("Microsoft said", None if provider is None else provider.code),
            ("Correlation ID", None if provider is None else provider.correlation_id),
            ("When", written_moment((provider and provider.occurred_at) or now)),
        ],
    )


def explain_trouble(request: Request, trouble: Trouble) -> Explanation:
    """Return the reason's words, filled in."""
    settings = services(request).settings
    session, provider = trouble.session, None if trouble.session is None else trouble.session.provider
    code = None if provider is None else provider.code
    numbers = (int(code.removeprefix("AADSTS")),) if code and code.startswith("AADSTS") else ()
    missing = trouble.missing_words if trouble.reason == "missing_permission" else None
    return explain(
        trouble.reason,
        where=Where.CONNECT,
        variant=_variant(trouble) or variant_of(trouble.reason or "unknown", numbers),
        values={
            "vendor": settings.vendor_name,
            "org": None if trouble.organization is None else trouble.organization.name,
            "account": trouble.account,
            "email": None if trouble.member is None else trouble.member.email,
            "organization_admin": None
            if trouble.organization_admin is None
            else trouble.organization_admin.display_name,
            "app_id": app_id_for(request, AccessMethod.GRAPH),
            "date": trouble.connected_since or written_date(services(request).clock.now()),
            "ref": None if session is None else session.reference,
            "n": None if missing is None else str(len(missing)),
            "list": None if missing is None else ", ".join(missing),
            "code": code,
            "correlation_id": None if provider is None else provider.correlation_id,
            "time": written_moment(services(request).clock.now()),
            "help": settings.vendor_help_email,
        },
    )
