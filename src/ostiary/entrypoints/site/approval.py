"""Asking an IT administrator for the approval, and following the request (UX §6.3)."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Sequence
from datetime import date
from typing import Annotated, Final

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import JSONResponse

from ostiary.core.access.model import Permission
from ostiary.core.access.rate_limits import LimitedAct
from ostiary.core.approvals.forms import ApprovalForm, ApprovalView
from ostiary.core.approvals.message import AdministratorMessage, administrator_message
from ostiary.core.approvals.model import OPEN_STATES, REASON_LIMIT, ApprovalRequestState
from ostiary.core.approvals.reminders import reminder_days
from ostiary.core.audit.model import Actor
from ostiary.core.connections.model import ConnectSession
from ostiary.core.connections.plan import Approval, ConnectPlan
from ostiary.core.consent.features import Feature, chosen_features
from ostiary.core.kernel.errors import (
    AccessBlocked,
    Conflict,
    InvalidRequest,
    NotFound,
    OstiaryError,
    PermissionDenied,
)
from ostiary.core.kernel.reach import confine
from ostiary.entrypoints.site.attempt_page import not_yours
from ostiary.entrypoints.site.connect_cookie import COOKIE, remember_session, session_secret
from ostiary.entrypoints.site.connect_problem import Trouble, render_trouble, vendor_address
from ostiary.entrypoints.site.facts import app_id_for
from ostiary.entrypoints.site.reason_page import mail_address
from ostiary.entrypoints.web.browser import browser_secret
from ostiary.entrypoints.web.context import actor, services
from ostiary.entrypoints.web.permissions import requires
from ostiary.entrypoints.web.rate_limits import by_address, by_cookie, limited
from ostiary.entrypoints.web.sign_in_host import connect_targets
from ostiary.entrypoints.web.templates import render, see_other

router = APIRouter(include_in_schema=False)
_PUBLIC: Final = [requires(Permission.PUBLIC)]
_WRITING: Final = [*_PUBLIC, limited(LimitedAct.MAIL, by_address, by_cookie(COOKIE))]

_APPROVED_YET_STOPPED: Final = frozenset({"missing_permission", "not_admin", "unverified_publisher"})
"""Reasons for asking although an approval is on record: it was not for everything, or not for everyone."""

_Act = Callable[[str, Actor], Awaitable[None]]
_Address = Annotated[str, Form(max_length=400)]
_Reason = Annotated[str, Form(max_length=4000)]


@router.get("/connect/approval", dependencies=_PUBLIC)
async def show_form(request: Request) -> Response:
    """Show the form, or the request this person already waits for."""
    session = await _open_session(request)
    if session is None:
        return see_other("/connect")
    plan = await _plan(request, session)
    if isinstance(plan, Response):
        return plan
    if plan.approval is Approval.GIVEN and session.reason not in _APPROVED_YET_STOPPED:
        return see_other("/connect")
    form = await services(request).approvals.form(
        organization_id=session.organization_id, member_id=session.member_id, method=plan.method
    )
    if form.is_waiting and form.open_request is not None:
        return see_other(f"/connect/approval/{form.open_request.id}")
    return _form_page(request, form)


@router.post("/connect/approval", dependencies=_WRITING)
async def ask(
    request: Request,
    administrator_email: _Address = "",
    reason: _Reason = "",
    way: Annotated[str, Form(max_length=10)] = "mail",
) -> Response:
    """Ask, or join the colleagues who asked already."""
    session = await _open_session(request)
    if session is None:
        return see_other("/connect")
    plan = await _plan(request, session)
    if isinstance(plan, Response):
        return plan
    approvals = services(request).approvals
    try:
        made = await approvals.ask(
            organization_id=session.organization_id,
            member_id=session.member_id,
            method=plan.method,
            mail=session.mail,
            calendar=session.calendar,
            browser_secret=browser_secret(request),
            actor=actor(request),
            administrator_email=administrator_email,
            reason=reason,
            return_url=session.return_url,
            by_mail=way == "mail",
        )
    except PermissionDenied as error:
        form = await approvals.form(
            organization_id=session.organization_id, member_id=session.member_id, method=plan.method
        )
        problems = [("administrator_email", error.message)]
        return _form_page(request, form, email=administrator_email, reason=reason, problems=problems)
    except InvalidRequest as error:
        form = await approvals.form(
            organization_id=session.organization_id, member_id=session.member_id, method=plan.method
        )
        problems = [(error.field or "administrator_email", error.message)]
        return _form_page(request, form, email=administrator_email, reason=reason, problems=problems)
    return see_other(f"/connect/approval/{made.id}")


@router.get("/connect/approval/{request_id}", dependencies=_PUBLIC)
async def follow(request: Request, request_id: str) -> Response:
    """Show how far the request is."""
    view = await _find_view(request, request_id)
    if view is None:
        return not_yours(request)
    found = view.request
    message = _message(request, view) if found.state in OPEN_STATES else None
    return render(
        request,
        "site/connect/approval.html",
        form_targets=connect_targets(request, view.waiter.return_url),
        view=view,
        found=found,
        as_of=services(request).clock.now(),
        shown=_shown(view),
        partly=view.left_out if view.left_out is not None and view.left_out.other in _wanted(view) else None,
        state=found.state.value,
        is_open=found.state in OPEN_STATES,
        is_sent=found.state in (ApprovalRequestState.SENT, ApprovalRequestState.STARTED) or view.has_started,
        administrator=found.sent_to or "your IT administrator",
        choices=_choices(view),
        others_count=view.waiting_count - 1,
        joined_later=view.waiter.member_id != found.asked_by_member_id,
        mailed=found.by_mail,
        undelivered=_is_undelivered(view),
        sends_mail=services(request).approvals.sends_mail,
        reminders=_coming_reminders(request, view),
        message=message,
        mail=None if message is None else mail_address(found.sent_to or "", message.subject, message.body),
        vendor_address=vendor_address(request, None),
    )


@router.get("/connect/approval/{request_id}/live", dependencies=_PUBLIC)
async def look_again(
    request: Request, request_id: str, shown: Annotated[str, Query(max_length=64)] = ""
) -> Response:
    """Say to the script of the page whether it shows what is no more so; ``shown`` is what it was made of."""
    view = await _find_view(request, request_id)
    if view is None or shown != _shown(view):
        return JSONResponse({"reload": True})
    return JSONResponse({"done": view.request.state not in OPEN_STATES})


def _shown(view: ApprovalView) -> str:
    """A short word for everything on the page that changes by itself."""
    found, delivery = view.request, view.delivery
    parts = (
        found.state.value,
        found.sent_to,
        found.sent_at,
        found.app_appeared_at,
        view.has_started,
        view.unfinished_at,
        view.left_out,
        None if delivery is None else (delivery.sent_at, delivery.given_up_at),
    )
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


@router.post("/connect/approval/{request_id}/continue", dependencies=_PUBLIC)
async def continue_connecting(request: Request, request_id: str) -> Response:
    """Try now, with the choices kept: on *Approved*, or on a person's word that it is (UX §6.3)."""
    view = await _find_view(request, request_id)
    if view is None:
        return not_yours(request)
    return await _start_again(request, view)


@router.post("/connect/approval/{request_id}/remind", dependencies=_WRITING)
async def remind(request: Request, request_id: str) -> Response:
    """Make a fresh link for a reminder."""
    return await _change(
        request,
        request_id,
        lambda member_id, who: services(request).approvals.remind(
            request_id, browser_secret=browser_secret(request), member_id=member_id, actor=who
        ),
        anchor="#message-label",
    )


@router.post("/connect/approval/{request_id}/sent", dependencies=_PUBLIC)
async def mark_sent(request: Request, request_id: str) -> Response:
    """Note that the person sent the message."""
    return await _change(
        request,
        request_id,
        lambda member_id, who: services(request).approvals.mark_sent(
            request_id, browser_secret=browser_secret(request), member_id=member_id, actor=who
        ),
    )


@router.get("/connect/approval/{request_id}/other", dependencies=_PUBLIC)
async def show_other(request: Request, request_id: str) -> Response:
    """Show the form to name another administrator."""
    view = await _find_view(request, request_id)
    return not_yours(request) if view is None else _other_page(request, view)


@router.post("/connect/approval/{request_id}/other", dependencies=_WRITING)
async def ask_other(request: Request, request_id: str, administrator_email: _Address = "") -> Response:
    """Ask another administrator, with a new request where the last one has its answer."""
    view = await _find_view(request, request_id)
    if view is None:
        return not_yours(request)
    approvals, who = services(request).approvals, _actor(request, view)
    try:
        if view.request.state in OPEN_STATES:
            await approvals.ask_someone_else(
                request_id,
                administrator_email=administrator_email,
                browser_secret=browser_secret(request),
                member_id=view.member.id,
                actor=who,
            )
            return see_other(f"/connect/approval/{request_id}")
        made = await approvals.ask(
            organization_id=view.organization.id,
            member_id=view.member.id,
            method=view.request.method,
            mail=view.waiter.mail,
            calendar=view.waiter.calendar,
            browser_secret=browser_secret(request),
            actor=who,
            administrator_email=administrator_email,
            reason=view.request.reason or "",
            return_url=view.waiter.return_url,
        )
    except (InvalidRequest, PermissionDenied) as error:
        problems = [("administrator_email", error.message)]
        return _other_page(request, view, email=administrator_email, problems=problems)
    except Conflict:
        return see_other(f"/connect/approval/{request_id}")
    return see_other(f"/connect/approval/{made.id}")


@router.post("/connect/approval/{request_id}/cancel", dependencies=_PUBLIC)
async def cancel(request: Request, request_id: str) -> Response:
    """Stop waiting."""
    view = await _find_view(request, request_id)
    if view is None:
        return not_yours(request)
    ended = await services(request).approvals.cancel(
        request_id,
        browser_secret=browser_secret(request),
        member_id=view.member.id,
        actor=_actor(request, view),
    )
    return see_other(f"/connect/approval/{request_id}" if ended else "/connect")


def _form_page(
    request: Request,
    form: ApprovalForm,
    *,
    email: str | None = None,
    reason: str = "",
    problems: Sequence[tuple[str, str]] = (),
) -> Response:
    organization = form.organization
    return render(
        request,
        "site/connect/approval_form.html",
        status_code=400 if problems else 200,
        organization=organization,
        open_request=form.open_request,
        email=organization.it_contact_email or "" if email is None else email,
        contact_name=organization.it_contact_name,
        reason=reason,
        reason_limit=REASON_LIMIT,
        sends_mail=services(request).approvals.sends_mail,
        problems=problems,
        problem_of=dict(problems),
    )


def _other_page(
    request: Request, view: ApprovalView, *, email: str = "", problems: Sequence[tuple[str, str]] = ()
) -> Response:
    return render(
        request,
        "site/connect/approval_other.html",
        status_code=400 if problems else 200,
        view=view,
        email=email,
        sends_mail=services(request).approvals.sends_mail,
        problems=problems,
        problem_of=dict(problems),
    )


async def _change(request: Request, request_id: str, act: _Act, *, anchor: str = "") -> Response:
    view = await _find_view(request, request_id)
    if view is None:
        return not_yours(request)
    try:
        await act(view.member.id, _actor(request, view))
    except Conflict:
        # It got its answer meanwhile; the page says which.
        return see_other(f"/connect/approval/{request_id}")
    return see_other(f"/connect/approval/{request_id}{anchor}")


async def _start_again(request: Request, view: ApprovalView) -> Response:
    """A new session for the person who waits, in the browser they asked in, and straight to Microsoft."""
    connections, waiter = services(request).connections, view.waiter
    who = _actor(request, view)
    # What is known not to be approved is left out; where that is all they want, Microsoft says so itself.
    wanted = (_wanted(view) - {view.left_out}) or _wanted(view)
    try:
        made = await connections.sessions.create(
            organization_id=view.organization.id,
            member_id=view.member.id,
            actor=who,
            return_url=waiter.return_url,
            mail=waiter.mail,
            calendar=waiter.calendar,
        )
    except InvalidRequest:
        # The vendor's address is not registered any more: only the vendor can begin again.
        return see_other("/connect")
    try:
        started = await connections.flow.start(
            made.secret,
            browser_secret=browser_secret(request),
            actor=who,
            mail=Feature.MAIL in wanted,
            calendar=Feature.CALENDAR in wanted,
            login_hint=view.member.email,
        )
        answer = see_other(started.url)
    except OstiaryError:
        # The connect page says what is in the way, such as a licence taken away.
        answer = see_other("/connect")
    remember_session(answer, made.secret.reveal())
    return answer


async def _open_session(request: Request) -> ConnectSession | None:
    session = await services(request).connections.sessions.find(session_secret(request))
    if session is not None:
        confine(session.organization_id)
    return session


async def _plan(request: Request, session: ConnectSession) -> ConnectPlan | Response:
    try:
        return (await services(request).connections.sessions.preview(session)).plan
    except AccessBlocked as error:
        return render_trouble(request, Trouble(error.reason, session=session))


async def _find_view(request: Request, request_id: str) -> ApprovalView | None:
    session = await _open_session(request)
    try:
        view = await services(request).approvals.view(
            request_id,
            browser_secret=browser_secret(request),
            member_id=None if session is None else session.member_id,
        )
    except NotFound:
        return None
    confine(view.organization.id)
    return view


def _actor(request: Request, view: ApprovalView) -> Actor:
    return actor(request, name=view.member.display_name, id=view.member.id)


def _message(request: Request, view: ApprovalView) -> AdministratorMessage | None:
    if view.message_link is None:
        return None
    settings, organization = services(request).settings, view.organization
    is_contact = view.request.sent_to is not None and view.request.sent_to == organization.it_contact_email
    return administrator_message(
        vendor=settings.vendor_name,
        link=view.message_link.url.reveal(),
        app_id=app_id_for(request, view.request.method),
        publisher=settings.vendor_publisher,
        publisher_verified=settings.vendor_publisher_verified,
        waiting_count=view.waiting_count,
        sender_name=view.member.display_name,
        administrator_name=organization.it_contact_name if is_contact else None,
        reason=view.request.reason,
    )


def _wanted(view: ApprovalView) -> frozenset[Feature]:
    return chosen_features(mail=view.waiter.mail, calendar=view.waiter.calendar)


def _choices(view: ApprovalView) -> str:
    chosen = [
        name for name, wanted in (("email", view.waiter.mail), ("calendar", view.waiter.calendar)) if wanted
    ]
    return " and ".join(chosen)


def _coming_reminders(request: Request, view: ApprovalView) -> tuple[date, ...]:
    """The days still to come on which the administrator is reminded, by us or by the person."""
    sent_at = view.request.sent_at
    if sent_at is None:
        return ()
    days = reminder_days(sent_at.date())[view.request.reminders_sent :]
    return tuple(day for day in days if day >= services(request).clock.now().date())


def _is_undelivered(view: ApprovalView) -> bool:
    """Whether our mail to the administrator came to nothing, and nobody has passed the message on since."""
    delivery = view.delivery
    return (
        delivery is not None
        and delivery.given_up_at is not None
        and delivery.to.address == view.request.sent_to
        and view.request.state is ApprovalRequestState.WAITING
    )
