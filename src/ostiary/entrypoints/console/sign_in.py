"""Coming in and going out: Microsoft, one-time links, the page after the way back, sessions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Final
from urllib.parse import quote

from fastapi import APIRouter, Form, Request, Response

from ostiary.core.access.model import SESSION_ABSOLUTE_LIFE, Permission, Role, SignedIn
from ostiary.core.access.rate_limits import LimitedAct
from ostiary.core.kernel.errors import FlowRejected, PermissionDenied, TemporarilyUnavailable
from ostiary.core.kernel.secret import Secret
from ostiary.core.reasons.catalogue import find_reason
from ostiary.core.reasons.explain import explain
from ostiary.core.reasons.model import Where
from ostiary.entrypoints.web.addresses import is_below, local_path
from ostiary.entrypoints.web.browser import COOKIE as BROWSER_COOKIE
from ostiary.entrypoints.web.browser import browser_secret
from ostiary.entrypoints.web.context import actor, principal, services
from ostiary.entrypoints.web.cookies import drop_cookie, read_cookie, set_cookie
from ostiary.entrypoints.web.held_form import PAGE, find_held
from ostiary.entrypoints.web.permissions import SESSION_COOKIE, requires
from ostiary.entrypoints.web.rate_limits import count_guess, limited
from ostiary.entrypoints.web.sign_in_host import sign_in_host, sign_in_origin
from ostiary.entrypoints.web.templates import render, see_other

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True, slots=True)
class ProblemWords:
    """Why somebody was not signed in."""

    headline: str
    why: str
    who_can_fix: str


_OWN_WORDS: Final = {
    # The catalogue's words for these are about mailboxes and links to them.
    "account_mismatch": ProblemWords(
        "That account isn’t an organization admin here",
        "You may have picked another account, or nobody made you an organization admin yet.",
        "You, or whoever looks after your organization: ask them for a sign-in link",
    ),
    "wrong_tenant": ProblemWords(
        "That account belongs to another organization",
        "Sign in with the account that your own organization gave you.",
        "You",
    ),
    "not_fresh": ProblemWords(
        "Microsoft didn’t ask you to sign in again",
        "Something on the way let you pass with an older sign-in.",
        "You: try again, and type your password when Microsoft asks for it",
    ),
    "mfa_needed": ProblemWords(
        "Operators sign in with more than a password",
        "Microsoft didn’t say that you passed a second check, such as your phone.",
        "You, with the button below; if that doesn’t help, whoever looks after your own directory",
    ),
}

LINK_COOKIE: Final = "__Host-ostiary-console-link"
LINK_COOKIE_LIFE: Final = timedelta(minutes=15)


@router.get("/console/sign-in", dependencies=[requires(Permission.PUBLIC)])
async def show_sign_in(request: Request, next: str = "", problem: str = "", ended: str = "") -> Response:  # noqa: A002
    """Show the door. ``problem`` is a reason id; anything else is ignored."""
    return render(
        request,
        "console/sign_in.html",
        form_targets=[sign_in_origin(request)],
        sign_in_host=sign_in_host(request),
        next_path=_console_path(next) or "",
        words=_problem_words(request, problem),
        as_operator=problem == "mfa_needed",
        ended=bool(ended),
    )


@router.post("/console/sign-in", dependencies=[requires(Permission.PUBLIC), limited(LimitedAct.SIGN_IN)])
async def start_sign_in(
    request: Request,
    next_path: Annotated[str, Form()] = "",
    fresh: Annotated[bool, Form()] = False,
    as_operator: Annotated[bool, Form()] = False,
) -> Response:
    """Go to Microsoft."""
    flow = await services(request).access.console.begin(
        browser_secret=browser_secret(request),
        next_path=_console_path(next_path),
        fresh=fresh,
        as_operator=as_operator,
    )
    return see_other(flow.url)


@router.get(
    "/console/return/{registration_id}",
    dependencies=[requires(Permission.PUBLIC), limited(LimitedAct.RETURN)],
)
async def come_back(request: Request, registration_id: str) -> Response:
    """Take the return from Microsoft; the code leaves the address bar before any page is shown (SR-5)."""
    access = services(request).access
    known = read_cookie(request, BROWSER_COOKIE)
    try:
        signed_in = await access.console.finish(
            services(request).signin.parse_return(request.query_params.multi_items()),
            registration_id=registration_id,
            browser_secret=None if known is None else Secret(known),
            replaces=_session_secret(request),
            actor=actor(request),
        )
    except (PermissionDenied, FlowRejected, TemporarilyUnavailable) as refusal:
        if isinstance(refusal, FlowRejected):
            await count_guess(request)
        return see_other(f"/console/sign-in?problem={quote(refusal.reason or 'unknown')}")
    target = _console_path(signed_in.next_path) or "/console"
    answer = see_other(f"/console/welcome?next={quote(target)}")
    drop_cookie(answer, LINK_COOKIE)
    return _with_session(answer, signed_in)


@router.get("/console/welcome", dependencies=[requires(Permission.PUBLIC)])
async def show_welcome(request: Request, next: str = "") -> Response:  # noqa: A002
    """Lead on from a page of our own: the strict session cookie does not follow a redirect from Microsoft."""
    return render(request, "console/continue.html", target=_console_path(next) or "/console")


@router.get("/console/link/{secret}", dependencies=[requires(Permission.PUBLIC), limited(LimitedAct.LINK)])
async def receive_link(secret: str) -> Response:
    """Move the secret out of the address bar (SR-67). Uses nothing up: mail scanners open links, too."""
    answer = see_other("/console/link")
    if len(secret) <= 200 and secret.isascii():
        set_cookie(answer, LINK_COOKIE, quote(secret), life=LINK_COOKIE_LIFE)
    return answer


@router.get("/console/link", dependencies=[requires(Permission.PUBLIC)])
async def show_link(request: Request) -> Response:
    """Say whom the link is for, with the one button that uses it."""
    secret = _link_secret(request)
    link = None if secret is None else await services(request).access.find_link(secret)
    if link is None:
        await count_guess(request)
        return render(request, "console/link_expired.html", status_code=404)
    organization = None
    if link.organization_id is not None:
        organization = await services(request).organizations.get(link.organization_id)
    return render(
        request,
        "console/link.html",
        form_targets=[sign_in_origin(request)],
        sign_in_host=sign_in_host(request),
        link=link,
        for_operator=link.role is Role.OPERATOR,
        only_microsoft=services(request).access.console.operators_need_microsoft,
        organization=organization,
    )


@router.post("/console/link", dependencies=[requires(Permission.PUBLIC), limited(LimitedAct.SIGN_IN)])
async def use_link(request: Request, microsoft: Annotated[bool, Form()] = False) -> Response:
    """Use the link: an operator is in, an admin goes to Microsoft, and an operator who wants to or has to."""
    access = services(request).access
    secret = _link_secret(request)
    link = None if secret is None else await access.find_link(secret)
    if secret is None or link is None:
        await count_guess(request)
        return render(request, "console/link_expired.html", status_code=404)
    if link.role is not Role.OPERATOR or microsoft or access.console.operators_need_microsoft:
        flow = await access.console.begin(
            browser_secret=browser_secret(request), next_path=None, link_secret=secret
        )
        return see_other(flow.url)
    signed_in = await access.use_operator_link(
        secret, replaces=_session_secret(request), actor=actor(request)
    )
    held = find_held(request, signed_in.session.subject_id)
    answer = see_other("/operator" if held is None else PAGE)
    drop_cookie(answer, LINK_COOKIE)
    return _with_session(answer, signed_in)


@router.get("/console/account", dependencies=[requires(Permission.CONSOLE_READ)])
async def show_account(request: Request) -> Response:
    """Show who is signed in, where else, and how pages look."""
    sessions = await services(request).access.list_sessions(principal(request))
    return render(
        request,
        "console/account.html",
        sessions=sessions,
        own_session_id=principal(request).session_id,
        is_operator=principal(request).role is Role.OPERATOR,
        now=services(request).clock.now(),
    )


@router.post("/console/sign-out", dependencies=[requires(Permission.CONSOLE_LEAVE)])
async def sign_out(request: Request, session_id: Annotated[str, Form()] = "") -> Response:
    """End this session, or another of the caller's own."""
    caller = principal(request)
    wanted = session_id or caller.session_id or ""
    await services(request).access.end_session(caller, wanted, actor=actor(request))
    if wanted != caller.session_id:
        return see_other("/console/account")
    answer = see_other("/console/signed-out")
    drop_cookie(answer, SESSION_COOKIE)
    answer.headers["Clear-Site-Data"] = '"cache", "cookies", "storage"'
    return answer


@router.get("/console/signed-out", dependencies=[requires(Permission.PUBLIC)])
async def show_signed_out(request: Request) -> Response:
    """Confirm that the session ended."""
    return render(request, "console/signed_out.html")


def _problem_words(request: Request, problem: str) -> ProblemWords | None:
    own = _OWN_WORDS.get(problem)
    if own is not None:
        return own
    reason = find_reason(problem)
    if reason is None:
        return None
    settings = services(request).settings
    words = explain(
        reason.id,
        where=Where.CONNECT,
        values={"vendor": settings.vendor_name, "help": settings.vendor_help_email},
    )
    return ProblemWords(words.headline, words.why, words.who_can_fix)


def _with_session(answer: Response, signed_in: SignedIn) -> Response:
    set_cookie(
        answer, SESSION_COOKIE, signed_in.secret.reveal(), life=SESSION_ABSOLUTE_LIFE, same_site="Strict"
    )
    return answer


def _session_secret(request: Request) -> Secret | None:
    value = read_cookie(request, SESSION_COOKIE)
    return None if value is None else Secret(value)


def _link_secret(request: Request) -> Secret | None:
    value = read_cookie(request, LINK_COOKIE)
    return None if value is None else Secret(value)


def _console_path(text: str | None) -> str | None:
    path = local_path(text)
    inside = path is not None and is_below(path.partition("?")[0], ("/console", "/operator"))
    # Signing in must not lead straight back to the door, or out of it.
    doors = (
        "/console/sign-in",
        "/console/return",
        "/console/link",
        "/console/welcome",
        "/console/signed-out",
    )
    return path if path is not None and inside and not is_below(path.partition("?")[0], doors) else None
