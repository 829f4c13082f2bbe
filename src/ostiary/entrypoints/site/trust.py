"""The trust page: a customer's own IT sees who is connected in their directory, and stops it, without a seat."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final
from urllib.parse import quote

from fastapi import APIRouter, Form, Request, Response

from ostiary.core.access.model import Permission
from ostiary.core.access.rate_limits import LimitedAct
from ostiary.core.connections.trust import TRUST_SESSION_LIFE, StepUpRequired, TrustSession
from ostiary.core.kernel.errors import FlowRejected, NotFound, PermissionDenied, TemporarilyUnavailable
from ostiary.core.kernel.reach import confine
from ostiary.core.kernel.secret import Secret
from ostiary.core.reasons.catalogue import find_reason
from ostiary.core.reasons.explain import explain
from ostiary.core.reasons.model import Where
from ostiary.entrypoints.console.words import CONNECTION_WORDS
from ostiary.entrypoints.site.facts import genuine_facts
from ostiary.entrypoints.web.browser import COOKIE as BROWSER_COOKIE
from ostiary.entrypoints.web.browser import browser_secret
from ostiary.entrypoints.web.context import actor, services
from ostiary.entrypoints.web.cookies import drop_cookie, read_cookie, set_cookie
from ostiary.entrypoints.web.permissions import requires
from ostiary.entrypoints.web.rate_limits import count_guess, limited
from ostiary.entrypoints.web.sign_in_host import sign_in_host, sign_in_origin
from ostiary.entrypoints.web.templates import render, see_other

COOKIE: Final = "__Host-ostiary-trust"

router = APIRouter(include_in_schema=False)

_PUBLIC = [requires(Permission.PUBLIC)]
"""The page guards itself by its own session: its people have no seat and no role in the console."""


@dataclass(frozen=True, slots=True)
class ProblemWords:
    """Why somebody was not signed in."""

    headline: str
    why: str
    who_can_fix: str


def _own_words(problem: str, vendor: str) -> ProblemWords | None:
    if problem == "wrong_tenant":
        return ProblemWords(
            "Nothing is connected from your organization",
            f"No customer of {vendor} uses the Microsoft directory of that account, or it is still to be confirmed. "
            "You may have picked another account.",
            "You, by signing in with another account",
        )
    if problem == "not_fresh":
        return ProblemWords(
            "Microsoft didn’t ask you to sign in again",
            "Something on the way let you pass with an older sign-in.",
            "You: try again, and type your password when Microsoft asks for it",
        )
    return None


@router.get("/trust", dependencies=_PUBLIC)
async def show_trust(request: Request, problem: str = "", cursor: str = "", done: str = "") -> Response:
    """Show who is connected; before the sign-in, what the page is for. ``problem`` is a reason id."""
    session = await _session(request)
    if session is None:
        return render(
            request,
            "site/trust/door.html",
            form_targets=[sign_in_origin(request)],
            sign_in_host=sign_in_host(request),
            words=_problem_words(request, problem),
            ended=read_cookie(request, COOKIE) is not None and not problem,
        )
    view = await services(request).trust.view(session, cursor=cursor or None)
    return render(
        request,
        "site/trust/connections.html",
        session=session,
        view=view,
        words=CONNECTION_WORDS,
        genuine=genuine_facts(request),
        as_of=services(request).clock.now(),
        is_first_page=not cursor,
        done=int(done) if done.isascii() and done.isdigit() and len(done) < 7 else None,
    )


@router.post("/trust/sign-in", dependencies=[*_PUBLIC, limited(LimitedAct.SIGN_IN)])
async def start(request: Request, fresh: Annotated[bool, Form()] = False) -> Response:
    """Go to Microsoft."""
    flow = await services(request).trust.begin(browser_secret=browser_secret(request), fresh=fresh)
    return see_other(flow.url)


@router.get("/trust/return/{registration_id}", dependencies=[*_PUBLIC, limited(LimitedAct.RETURN)])
async def come_back(request: Request, registration_id: str) -> Response:
    """Take the return from Microsoft; the code leaves the address bar before any page is shown (SR-5)."""
    known = read_cookie(request, BROWSER_COOKIE)
    try:
        signed_in = await services(request).trust.finish(
            services(request).signin.parse_return(request.query_params.multi_items()),
            registration_id=registration_id,
            browser_secret=None if known is None else Secret(known),
            actor=actor(request),
        )
    except (PermissionDenied, FlowRejected, TemporarilyUnavailable) as refusal:
        if isinstance(refusal, FlowRejected):
            await count_guess(request)
        return see_other(f"/trust?problem={quote(refusal.reason or 'unknown')}")
    answer = see_other("/trust/disconnect-all" if signed_in.is_step_up else "/trust")
    set_cookie(answer, COOKIE, signed_in.secret.reveal(), life=TRUST_SESSION_LIFE)
    return answer


@router.get("/trust/disconnect/{connection_id}", dependencies=_PUBLIC)
async def ask_disconnect(request: Request, connection_id: str) -> Response:
    """Say what disconnecting does, with the one button that does it."""
    session = await _session(request)
    if session is None:
        return see_other("/trust")
    try:
        connection = await services(request).trust.get(session, connection_id)
    except NotFound:
        return see_other("/trust")
    return render(request, "site/trust/disconnect.html", connection=connection, session=session)


@router.post("/trust/disconnect/{connection_id}", dependencies=_PUBLIC)
async def disconnect(request: Request, connection_id: str) -> Response:
    """Disconnect one."""
    session = await _session(request)
    if session is None:
        return see_other("/trust")
    try:
        await services(request).trust.disconnect(session, connection_id, actor=actor(request))
    except NotFound:
        return see_other("/trust")
    return see_other("/trust?done=1")


@router.get("/trust/disconnect-all", dependencies=_PUBLIC)
async def ask_disconnect_all(request: Request) -> Response:
    """Say what disconnecting everybody does; the directory's domain is typed to confirm it."""
    session = await _session(request)
    if session is None or not session.is_administrator:
        return see_other("/trust")
    return await _all_page(request, session, typed=None)


@router.post("/trust/disconnect-all", dependencies=_PUBLIC)
async def disconnect_all(request: Request, domain: Annotated[str, Form(max_length=300)] = "") -> Response:
    """Disconnect everybody."""
    session = await _session(request)
    if session is None:
        return see_other("/trust")
    if session.is_administrator:
        tenant = (await services(request).trust.view(session)).tenant
        if domain.strip().lower() != tenant.primary_domain.lower():
            return await _all_page(request, session, typed=domain)
    try:
        count = await services(request).trust.disconnect_all(session, actor=actor(request))
    except StepUpRequired:
        return see_other("/trust/disconnect-all")
    return see_other(f"/trust?done={count}")


@router.post("/trust/sign-out", dependencies=_PUBLIC)
async def sign_out(request: Request) -> Response:
    """End the session."""
    session = await _session(request)
    if session is not None:
        await services(request).trust.sign_out(session, actor=actor(request))
    answer = see_other("/trust")
    drop_cookie(answer, COOKIE)
    return answer


async def _all_page(request: Request, session: TrustSession, *, typed: str | None) -> Response:
    view = await services(request).trust.view(session)
    return render(
        request,
        "site/trust/disconnect_all.html",
        status_code=200 if typed is None else 400,
        session=session,
        tenant=view.tenant,
        count=len(view.rows),
        has_more=view.next_cursor is not None,
        typed=typed,
        is_fresh=session.is_fresh(services(request).clock.now()),
    )


async def _session(request: Request) -> TrustSession | None:
    value = read_cookie(request, COOKIE)
    session = None if not value else await services(request).trust.find(Secret(value))
    if session is not None:
        confine(session.organization_id)
    return session


def _problem_words(request: Request, problem: str) -> ProblemWords | None:
    settings = services(request).settings
    own = _own_words(problem, settings.vendor_name)
    reason = find_reason(problem)
    if own is not None or reason is None:
        return own
    words = explain(
        reason.id,
        where=Where.CONNECT,
        values={"vendor": settings.vendor_name, "help": settings.vendor_help_email},
    )
    return ProblemWords(words.headline, words.why, words.who_can_fix)
