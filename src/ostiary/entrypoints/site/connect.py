"""The connect pages: choose mailbox and calendar, go to Microsoft, come back (UX §6.1, §6.2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import JSONResponse
from starlette.background import BackgroundTask

from ostiary.core.access.model import Permission
from ostiary.core.access.rate_limits import LimitedAct
from ostiary.core.connections.model import (
    ConnectionStatus,
    ConnectOutcome,
    ConnectSession,
    ConnectSessionState,
)
from ostiary.core.connections.service import SessionView
from ostiary.core.connections.sessions import ConnectPreview
from ostiary.core.consent.features import Feature
from ostiary.core.kernel.access_method import AccessMethod
from ostiary.core.kernel.errors import (
    AccessBlocked,
    Conflict,
    FlowRejected,
    InvalidRequest,
    NotFound,
    PermissionDenied,
)
from ostiary.core.kernel.failpoints import Failpoint, hit
from ostiary.core.kernel.ids import parse_reference
from ostiary.core.kernel.reach import confine
from ostiary.entrypoints.site.attempt_page import not_yours
from ostiary.entrypoints.site.connect_cookie import COOKIE, remember_session, session_secret
from ostiary.entrypoints.site.connect_problem import (
    Trouble,
    find_organization_admin,
    render_trouble,
    seen_as,
    trouble_of,
    vendor_address,
)
from ostiary.entrypoints.site.left_out import left_out_of
from ostiary.entrypoints.web.browser import browser_secret
from ostiary.entrypoints.web.context import actor, services
from ostiary.entrypoints.web.permissions import requires
from ostiary.entrypoints.web.rate_limits import by_address, by_cookie, count_guess, limited
from ostiary.entrypoints.web.sign_in_host import connect_targets, sign_in_host
from ostiary.entrypoints.web.templates import render, see_other, written_hour

router = APIRouter(include_in_schema=False)
_PUBLIC: Final = [requires(Permission.PUBLIC)]


@dataclass(frozen=True, slots=True)
class Choices:
    """What the form holds."""

    mail: bool
    calendar: bool
    login_hint: str
    connection_id: str | None = None
    again: bool = False


@router.get("/connect/s/{secret}", dependencies=[*_PUBLIC, limited(LimitedAct.LINK)])
async def open_session(secret: str) -> Response:
    """Take the secret out of the address bar. Nothing else happens: mail scanners open links, too."""
    answer = see_other("/connect")
    remember_session(answer, secret)
    return answer


@router.get("/connect", dependencies=_PUBLIC)
async def show_connect(request: Request, again: str = "") -> Response:
    """Show what can be connected, and how."""
    return await _connect_page(request, again=again == "yes")


@router.get("/connect/reconnect/{connection_id}", dependencies=_PUBLIC)
async def show_reconnect(request: Request, connection_id: str) -> Response:
    """Show the same page for one connection that its member signs in to again."""
    return await _connect_page(request, connection_id=connection_id, again=True)


@router.post(
    "/connect/start", dependencies=[*_PUBLIC, limited(LimitedAct.CONNECT, by_address, by_cookie(COOKIE))]
)
async def start(
    request: Request,
    mail: Annotated[str, Form()] = "",
    calendar: Annotated[str, Form()] = "",
    login_hint: Annotated[str, Form(max_length=400)] = "",
    another: Annotated[str, Form()] = "",
    again: Annotated[str, Form()] = "",
    connection: Annotated[str | None, Form(max_length=64)] = None,
    method: Annotated[AccessMethod | None, Form()] = None,
) -> Response:
    """Send the browser to Microsoft."""
    choices = Choices(bool(mail), bool(calendar), login_hint, connection or None, again == "yes")
    await _find_session(request)
    try:
        started = await services(request).connections.flow.start(
            session_secret(request),
            browser_secret=browser_secret(request),
            actor=actor(request),
            mail=choices.mail,
            calendar=choices.calendar,
            login_hint=choices.login_hint,
            another_account=another == "yes",
            again=choices.again,
            connection_id=choices.connection_id,
            prefer=method,
        )
    except FlowRejected as error:
        return render_trouble(request, Trouble(error.reason), status_code=400)
    except NotFound:
        return render_trouble(request, Trouble("session_lost"), status_code=400)
    except InvalidRequest as error:
        return await _connect_page(
            request,
            connection_id=choices.connection_id,
            again=choices.again,
            kept=choices,
            problems=[(error.field or "choices", error.message)],
        )
    except (PermissionDenied, Conflict, AccessBlocked):
        # The page itself says why, and keeps saying so after a reload.
        return see_other("/connect")
    return see_other(started.url)


@router.get("/connect/return/{registration_id}", dependencies=[*_PUBLIC, limited(LimitedAct.RETURN)])
async def take_return(request: Request, registration_id: str) -> Response:
    """Take Microsoft's answer. The code leaves the address bar before any page is sent (SR-5)."""
    try:
        outcome = await services(request).connections.flow.finish(
            request.query_params.multi_items(),
            registration_id=registration_id,
            browser_secret=browser_secret(request),
            actor=actor(request),
        )
    except FlowRejected:
        await count_guess(request)
        return see_other("/connect/lost")
    except AccessBlocked:
        # EWS ended while the person was at Microsoft: the page itself says so.
        return see_other("/connect")
    answer = see_other(_address_of(outcome))
    answer.background = BackgroundTask(hit, Failpoint.CONNECT_REDIRECTED)
    return answer


@router.get("/connect/lost", dependencies=_PUBLIC)
async def show_lost(request: Request) -> Response:
    """Say that a return fitted no sign-in of this browser."""
    session = await _find_session(request)
    return render_trouble(request, Trouble("session_lost", session=session, can_start=session is not None))


@router.get("/connect/checking/{reference}", dependencies=_PUBLIC)
async def show_checking(request: Request, reference: str) -> Response:
    """Wait for the vendor's confirmation."""
    view = await _find_view(request, reference)
    if view is None:
        return not_yours(request)
    if view.session.state is not ConnectSessionState.RETURNED:
        return see_other(_path_of(view.session))
    if _is_too_late(request, view):
        return render_trouble(request, await _not_finished(request, view))
    return render(
        request,
        "site/connect/checking.html",
        reference=view.session.reference,
        as_of=services(request).clock.now(),
    )


@router.get("/connect/checking/{reference}/live", dependencies=_PUBLIC)
async def look_again(request: Request, reference: str) -> Response:
    """Say to the script of the waiting page whether the vendor has confirmed."""
    view = await _find_view(request, reference)
    if view is None or (view.session.state is ConnectSessionState.RETURNED and _is_too_late(request, view)):
        return JSONResponse({"reload": True})
    if view.session.state is not ConnectSessionState.RETURNED:
        return JSONResponse({"go_to": _path_of(view.session)})
    return JSONResponse({"still": "Still checking", "as_of": written_hour(services(request).clock.now())})


@router.get("/connect/done/{reference}", dependencies=_PUBLIC)
async def show_done(request: Request, reference: str) -> Response:
    """Say what is connected."""
    view = await _find_view(request, reference)
    if view is None:
        return not_yours(request)
    if view.session.state is not ConnectSessionState.CONFIRMED or view.connection is None:
        return see_other(_path_of(view.session))
    return render(
        request,
        "site/connect/done.html",
        connection=view.connection,
        is_connected=view.connection.status is ConnectionStatus.CONNECTED,
        organization=view.organization,
        vendor_address=vendor_address(request, view.session),
        left_out=left_out_of(request, view.connection, view.organization),
        can_go_on=services(request).clock.now() < view.session.expires_at,
        form_targets=connect_targets(request, view.session.return_url),
        reference=view.session.reference,
    )


@router.post("/connect/rest/{reference}", dependencies=[*_PUBLIC, limited(LimitedAct.CONNECT)])
async def connect_rest(request: Request, reference: str) -> Response:
    """Try for the one of email and calendar that is not connected yet, by one more sign-in of the same person."""
    view = await _find_view(request, reference)
    if view is None:
        return not_yours(request)
    parsed, connections = view.session.reference, services(request).connections
    try:
        made = await connections.sessions.follow_up(
            parsed, browser_secret=browser_secret(request), actor=actor(request)
        )
    except NotFound:
        return not_yours(request)
    except Conflict:
        return see_other(f"/connect/done/{parsed}")
    try:
        started = await connections.flow.start(
            made.secret,
            browser_secret=browser_secret(request),
            actor=actor(request),
            mail=True,
            calendar=True,
        )
        answer = see_other(started.url)
    except (PermissionDenied, AccessBlocked):
        # The connect page says what is in the way, such as a licence taken away meanwhile.
        answer = see_other("/connect")
    remember_session(answer, made.secret.reveal())
    return answer


@router.get("/connect/problem/{reference}", dependencies=_PUBLIC)
async def show_problem(request: Request, reference: str, seen: str = "") -> Response:
    """Say why it did not work, and what to do; ``seen`` is what a person knows better than we do."""
    view = await _find_view(request, reference)
    if view is None:
        return not_yours(request)
    failed = (ConnectSessionState.FAILED, ConnectSessionState.CHOOSING)
    if view.session.state not in failed:
        return see_other(_path_of(view.session))
    return render_trouble(request, seen_as(await trouble_of(request, view), seen))


@router.post("/connect/use/{reference}", dependencies=_PUBLIC)
async def use_account(request: Request, reference: str) -> Response:
    """Go on with an account the vendor knows by another address."""
    view = await _find_view(request, reference)
    if view is None:
        return not_yours(request)
    parsed = view.session.reference
    try:
        outcome = await services(request).connections.flow.use_account(
            parsed, browser_secret=browser_secret(request), actor=actor(request)
        )
    except NotFound:
        return not_yours(request)
    except Conflict:
        return see_other(f"/connect/problem/{parsed}")
    return see_other(_address_of(outcome))


async def _connect_page(
    request: Request,
    *,
    connection_id: str | None = None,
    again: bool = False,
    kept: Choices | None = None,
    problems: Sequence[tuple[str, str]] = (),
) -> Response:
    connections = services(request).connections
    session = await _find_session(request)
    if session is None:
        if session_secret(request) is not None:
            await count_guess(request)
        return render(
            request,
            "site/connect/start_from_vendor.html",
            vendor_address=vendor_address(request, None),
            had_session=session_secret(request) is not None,
        )
    try:
        preview = await connections.sessions.preview(session, connection_id=connection_id)
    except NotFound:
        return render_trouble(request, Trouble("session_lost", session=session), status_code=404)
    except AccessBlocked as error:
        return render_trouble(request, await _blocked(request, session, error))
    trouble = await _trouble_before(request, preview, again=again or connection_id is not None)
    if trouble is not None:
        return render_trouble(request, trouble)
    connection = preview.connection
    renews = connection if connection_id or session.connection_id else None
    unapproved = preview.plan.unapproved
    rest = renews is not None and renews.left_out_reason is not None
    shown = kept or Choices(
        mail=(renews.mail or rest if renews else session.mail) and Feature.MAIL not in unapproved,
        calendar=(renews.calendar or rest if renews else session.calendar)
        and Feature.CALENDAR not in unapproved,
        login_hint=renews.address if renews else preview.member.email,
        connection_id=renews.id if renews else None,
        again=again,
    )
    return render(
        request,
        "site/connect/connect.html",
        form_targets=connect_targets(request, session.return_url),
        status_code=400 if problems else 200,
        organization=preview.organization,
        member=preview.member,
        plan=preview.plan,
        unapproved=sorted(unapproved),
        left_out=left_out_of(request, connection, preview.organization),
        renews=renews,
        choices=shown,
        problems=problems,
        problem_of=dict(problems),
        sign_in_host=sign_in_host(request),
        not_now=vendor_address(request, session),
    )


async def _trouble_before(request: Request, preview: ConnectPreview, *, again: bool) -> Trouble | None:
    """What stops this person before Microsoft is asked, if anything does."""
    session, connection = preview.session, preview.connection
    if preview.is_frozen:
        return Trouble(
            "frozen",
            session=session,
            organization=preview.organization,
            member=preview.member,
            can_start=True,
        )
    if not preview.member.licensed:
        return Trouble(
            "no_licence",
            session=session,
            organization=preview.organization,
            member=preview.member,
            organization_admin=await find_organization_admin(request, preview.organization.id),
        )
    if (
        not again
        and session.connection_id is None
        and connection is not None
        and connection.status is ConnectionStatus.CONNECTED
        and connection.mail
        and connection.calendar
    ):
        return Trouble(
            "already_connected",
            session=session,
            organization=preview.organization,
            member=preview.member,
            account=connection.address,
            connected_at=connection.connected_at,
            can_start=True,
        )
    return None


async def _blocked(request: Request, session: ConnectSession, error: AccessBlocked) -> Trouble:
    async with services(request).transactions() as transaction:
        organization = await transaction.organizations.get(session.organization_id)
    return Trouble(error.reason, session=session, organization=organization, can_start=True)


async def _find_view(request: Request, reference: str) -> SessionView | None:
    parsed = parse_reference(reference)
    if parsed is None:
        return None
    try:
        view = await services(request).connections.view(parsed, browser_secret=browser_secret(request))
    except NotFound:
        return None
    confine(view.session.organization_id)
    return view


async def _find_session(request: Request) -> ConnectSession | None:
    """Return the open session of this browser; the rest of the request is its organization's business alone."""
    session = await services(request).connections.sessions.find(session_secret(request))
    if session is not None:
        confine(session.organization_id)
    return session


async def _not_finished(request: Request, view: SessionView) -> Trouble:
    return Trouble(
        "not_finished",
        session=view.session,
        organization=view.organization,
        member=view.member,
    )


def _is_too_late(request: Request, view: SessionView) -> bool:
    connection = view.connection
    return (
        connection is None
        or connection.confirm_before is None
        or services(request).clock.now() >= connection.confirm_before
    )


def _address_of(outcome: ConnectOutcome) -> str:
    if outcome.vendor_address is not None:
        return outcome.vendor_address
    return _path(outcome.state, outcome.reference)


def _path_of(session: ConnectSession) -> str:
    return _path(session.state, session.reference)


def _path(state: ConnectSessionState, reference: str) -> str:
    match state:
        case ConnectSessionState.CONFIRMED:
            return f"/connect/done/{reference}"
        case ConnectSessionState.RETURNED:
            return f"/connect/checking/{reference}"
        case ConnectSessionState.FAILED | ConnectSessionState.CHOOSING:
            return f"/connect/problem/{reference}"
        case ConnectSessionState.OPEN | ConnectSessionState.STARTED:
            return "/connect"
