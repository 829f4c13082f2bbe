"""Failure pages of the connect flow: the reason's words and steps that really work here (UX §5, §7)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from fastapi import Request, Response

from ostiary.core.connections.confirmation import vendor_page
from ostiary.core.connections.model import ConnectSession, ConnectSessionState
from ostiary.core.connections.service import SessionView
from ostiary.core.consent.features import Feature, chosen_features, feature_to_leave_out
from ostiary.core.kernel.access_method import AccessMethod
from ostiary.core.kernel.errors import AccessBlocked, ProviderDetail
from ostiary.core.organizations.model import Member, MemberRole, Organization
from ostiary.core.reasons.catalogue import get_reason
from ostiary.core.reasons.explain import Explanation, explain
from ostiary.core.reasons.model import Action, Where
from ostiary.entrypoints.site.connect_cookie import session_secret
from ostiary.entrypoints.site.facts import app_id_for
from ostiary.entrypoints.site.reason_page import (
    Step,
    mail_address,
    mark_of,
    shown_copyables,
    wait_before_retry,
    without_retry,
)
from ostiary.entrypoints.web.context import request_id, services
from ostiary.entrypoints.web.sign_in_host import connect_targets
from ostiary.entrypoints.web.templates import render, written_date, written_moment

START: Final = "/connect/start"

_LOOK_ALIKES: Final = {
    "ews_off": ("ews_not_listed", "EWS is switched on, but not for {vendor}"),
    "ews_not_listed": ("ews_off", "EWS isn’t switched on at all"),
}
"""Microsoft answers both alike, so the page lets a person who knows better switch (UX §7)."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """What stopped somebody, with what is known about them."""

    reason: str | None
    session: ConnectSession | None = None
    organization: Organization | None = None
    member: Member | None = None
    organization_admin: Member | None = None
    connected_at: datetime | None = None
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


async def trouble_told(
    request: Request, reason: str, *, variant: str | None, code: str | None
) -> Trouble | None:
    """What Microsoft's page told somebody who is connecting; None when this browser has no open session.

    Most failures stop on Microsoft's own page (UX §1), so this leads to the same page as one that came back.
    """
    connections = services(request).connections
    session = await connections.sessions.find(session_secret(request))
    if session is None or Where.CONNECT not in get_reason(reason).where:
        return None
    try:
        view = await connections.sessions.preview(session, prefer=session.method)
    except AccessBlocked:
        return None
    return Trouble(
        reason=reason,
        session=replace(
            session,
            reason=reason,
            reason_variant=variant,
            provider=None if code is None else ProviderDetail(code=code),
        ),
        organization=view.organization,
        member=view.member,
        organization_admin=await find_organization_admin(request, view.organization.id),
        account=view.member.email,
        can_start=True,
    )


def seen_as(trouble: Trouble, reason: str) -> Trouble:
    """The same trouble with the other of two reasons that Microsoft does not tell apart, if it is one of them."""
    look_alike = _LOOK_ALIKES.get(trouble.reason or "")
    return replace(trouble, reason=reason) if look_alike is not None and look_alike[0] == reason else trouble


def _look_alike(request: Request, trouble: Trouble) -> tuple[str, str] | None:
    """Address and words of the other text, where the page is one attempt's."""
    look_alike = _LOOK_ALIKES.get(trouble.reason or "")
    if look_alike is None or trouble.session is None:
        return None
    words = look_alike[1].format(vendor=services(request).settings.vendor_name)
    return f"/connect/problem/{trouble.session.reference}?seen={look_alike[0]}", words


async def find_organization_admin(request: Request, organization_id: str) -> Member | None:
    """Return somebody who gives out licences in the organization, if there is one."""
    async with services(request).transactions() as transaction:
        page = await transaction.members.page(organization_id=organization_id, limit=200)
    return next((each for each in page.items if each.role is MemberRole.ORGANIZATION_ADMIN), None)


def render_trouble(
    request: Request, trouble: Trouble, *, status_code: int = 200, happened: str | None = None
) -> Response:
    """Answer with the failure page."""
    explanation = explain_trouble(request, trouble)
    session = trouble.session
    provider = None if session is None else session.provider
    now = services(request).clock.now()
    wait_seconds = wait_before_retry(
        explanation.reason_id, None if provider is None else provider.occurred_at, now
    )
    if wait_seconds:
        explanation = without_retry(explanation)
    return render(
        request,
        "site/connect/problem.html",
        status_code=status_code,
        form_targets=[] if session is None else connect_targets(request, session.return_url),
        explanation=explanation,
        # Who signs in again, or for the rest, has a connection already, and keeps it.
        reassurance="Your connection is as it was before."
        if explanation.reassurance and session is not None and session.connection_id
        else explanation.reassurance,
        mark=mark_of(explanation),
        wait_seconds=wait_seconds,
        path=request.url.path,
        happened=happened or _happened(request, trouble, explanation),
        steps=steps_of(request, explanation, trouble),
        copyables=shown_copyables(explanation),
        look_alike=_look_alike(request, trouble),
        organization=None if trouble.organization is None else trouble.organization.name,
        reference=None if session is None else session.reference,
        support=[
            ("Reference", request_id(request) if session is None else session.reference),
            ("Reason", explanation.reason_id),
            ("Microsoft said", _said(provider)),
            ("Correlation ID", None if provider is None else provider.correlation_id),
            ("When", written_moment((provider and provider.occurred_at) or now)),
        ],
    )


def _said(provider: ProviderDetail | None) -> str | None:
    if provider is None or provider.code is not None:
        return None if provider is None else provider.code
    return None if provider.status is None else f"HTTP {provider.status}"


def explain_trouble(request: Request, trouble: Trouble) -> Explanation:
    """Return the reason's words, filled in."""
    settings = services(request).settings
    now = services(request).clock.now()
    session, member, admin = trouble.session, trouble.member, trouble.organization_admin
    provider = None if session is None else session.provider
    method = (session.method if session is not None else None) or AccessMethod.GRAPH
    left_out = _feature_to_leave_out(session)
    return explain(
        trouble.reason,
        where=Where.CONNECT,
        variant=None if session is None else session.reason_variant,
        values={
            "vendor": settings.vendor_name,
            "org": None if trouble.organization is None else trouble.organization.name,
            "account": trouble.account,
            "email": None if member is None else member.email,
            "organization_admin": None if admin is None else admin.display_name,
            "app_id": app_id_for(request, method),
            "date": written_date(trouble.connected_at or now),
            "ref": None if session is None else session.reference,
            "n": None if session is None else str(len(session.missing)),
            "list": None if session is None else ", ".join(session.missing),
            "feature": None if left_out is None else left_out.label,
            "code": None if provider is None else provider.code,
            "correlation_id": None if provider is None else provider.correlation_id,
            "time": written_moment(now if provider is None else provider.occurred_at or now),
            "help": settings.vendor_help_email,
        },
    )


def steps_of(request: Request, explanation: Explanation, trouble: Trouble) -> tuple[Step, ...]:
    """Return the steps that really work here, primary first."""
    made: list[Step] = []
    for action in explanation.actions:
        if explanation.copyable(action.id) is not None:
            made.append(Step(action.label, action.hint, href=f"#{action.id}"))
            continue
        make = _STEPS.get(action.id)
        step = None if make is None else make(request, action, trouble)
        # Several actions of a page whose session is over lead to the same place: once is enough.
        if step is not None and step not in made:
            made.append(step)
    return tuple(made)


_Maker = Callable[[Request, Action, Trouble], Step | None]


def _start(**fields: str) -> _Maker:
    """To Microsoft again, with the choices kept; from the vendor's app, once the session is over."""

    def make(request: Request, action: Action, trouble: Trouble) -> Step | None:
        session = trouble.session
        if session is None or not trouble.can_start:
            return _from_vendor(request, action, trouble)
        kept = {
            **({"mail": "on"} if session.mail else {}),
            **({"calendar": "on"} if session.calendar else {}),
            **({"connection": session.connection_id} if session.connection_id else {}),
            "again": "yes",
        }
        return Step(action.label, action.hint, post_to=START, fields={**kept, **fields})

    return make


def _try_as_email(request: Request, action: Action, trouble: Trouble) -> Step | None:
    if trouble.member is None:
        return None
    return _start(login_hint=trouble.member.email)(request, action, trouble)


def _use_this_account(_: Request, action: Action, trouble: Trouble) -> Step | None:
    session = trouble.session
    if session is None or session.state is not ConnectSessionState.CHOOSING:
        return None
    return Step(action.label, action.hint, post_to=f"/connect/use/{session.reference}")


def _use_graph(request: Request, action: Action, trouble: Trouble) -> Step | None:
    organization = trouble.organization
    if organization is not None and organization.pinned_method is AccessMethod.EWS:
        return None
    return _start(method=AccessMethod.GRAPH.value)(request, action, trouble)


def _continue_without(request: Request, action: Action, trouble: Trouble) -> Step | None:
    feature = _feature_to_leave_out(trouble.session)
    session = trouble.session
    if feature is None or session is None or not trouble.can_start:
        return None
    kept = {
        feature.other.value: "on",
        "again": "yes",
        **({"connection": session.connection_id} if session.connection_id else {}),
        # They just signed in: with the hint Microsoft need not ask who they are once more.
        **({"login_hint": session.account} if session.account else {}),
    }
    return Step(action.label, action.hint, post_to=START, fields=kept)


def _feature_to_leave_out(session: ConnectSession | None) -> Feature | None:
    if session is None:
        return None
    return feature_to_leave_out(
        session.missing, chosen_features(mail=session.mail, calendar=session.calendar)
    )


def _from_vendor(request: Request, action: Action, trouble: Trouble) -> Step | None:
    # Where the vendor's page is not known, ours says where in the vendor's app it begins.
    address = vendor_address(request, trouble.session) or (None if trouble.can_start else "/connect")
    vendor = services(request).settings.vendor_name
    return None if address is None else Step(f"Start again from {vendor}", action.hint, href=address)


def _to_vendor(request: Request, action: Action, trouble: Trouble) -> Step | None:
    address = vendor_address(request, trouble.session)
    return None if address is None else Step(action.label, action.hint, href=address)


def vendor_address(request: Request, session: ConnectSession | None) -> str | None:
    """Where *Go to {vendor}* and *Not now* lead."""
    back = None if session is None else vendor_page(session)
    return back or services(request).settings.vendor_app_url


def _link(path: str) -> _Maker:
    return lambda _request, action, _trouble: Step(action.label, action.hint, href=path)


def _ask_organization_admin(subject: str) -> _Maker:
    def make(request: Request, action: Action, trouble: Trouble) -> Step:
        admin = trouble.organization_admin
        vendor = services(request).settings.vendor_name
        text = subject.format(vendor=vendor)
        return Step(action.label, action.hint, href=mail_address("" if admin is None else admin.email, text))

    return make


def _ask_help(subject: str) -> _Maker:
    def make(request: Request, action: Action, trouble: Trouble) -> Step:
        reference = "" if trouble.session is None else trouble.session.reference
        address = services(request).settings.vendor_help_email
        return Step(action.label, action.hint, href=mail_address(address, subject.format(ref=reference)))

    return make


def _happened(request: Request, trouble: Trouble, explanation: Explanation) -> str | None:
    """Facts we know, the account first (UX §5)."""
    if explanation.happened is not None:
        return explanation.happened
    if trouble.account is None or trouble.reason in _ACCOUNT_SAID_ALREADY:
        return None
    return f"Microsoft signed you in as {trouble.account}."


_ACCOUNT_SAID_ALREADY: Final = frozenset({"wrong_tenant", "account_mismatch", "already_connected"})

_STEPS: Final[Mapping[str, _Maker]] = {
    "try_again": _start(),
    "start_again": _start(),
    "check_ews_now": _start(),
    "use_another_account": _start(another="yes"),
    "try_org_account": _start(another="yes"),
    "use_work_account": _start(another="yes"),
    "try_other_network": _start(),
    "try_as_email": _try_as_email,
    "use_this_account": _use_this_account,
    "use_graph": _use_graph,
    "connect_with_graph": _start(method=AccessMethod.GRAPH.value),
    "continue_without_feature": _continue_without,
    "reconnect_anyway": _link("/connect?again=yes"),
    "ask_my_administrator": _link("/connect/approval"),
    "ask_your_administrator": _link("/connect/approval"),
    "approve_missing": _link("/connect/approval"),
    "start_again_from_vendor": _from_vendor,
    "go_to_vendor": _to_vendor,
    "ask_for_licence": _ask_organization_admin("Please give me a {vendor} licence"),
    "ask_organization_admin": _ask_organization_admin("My mailbox is connected to another {vendor} person"),
    "ask_for_right_link": _from_vendor,
    "how_to_check": _link("/genuine"),
    "what_did_microsoft_say": _link("/help/microsoft-page"),
    "service_status": _link("/status"),
    "tell_me_when_it_works": _ask_help("Please tell me when it works {ref}"),
    "tell_me_when_fixed": _ask_help("Please tell me when it’s fixed {ref}"),
}
"""Steps of the connect pages by action id. The rest is text, such as a message to copy."""
