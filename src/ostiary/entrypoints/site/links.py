"""Links for IT administrators, and what one can do with them instead of approving (UX §4.1, §8)."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request, Response

from ostiary.core.access.model import Permission
from ostiary.core.access.rate_limits import LimitedAct
from ostiary.core.approvals.message import AdministratorMessage, administrator_message
from ostiary.core.consent.links import LinkPreview
from ostiary.core.consent.model import DECLINE_REASON_LIMIT
from ostiary.core.kernel.errors import InvalidRequest, NotFound, PermissionDenied
from ostiary.core.kernel.reach import confine
from ostiary.entrypoints.site.admin_consent import link_problem
from ostiary.entrypoints.site.link_cookie import COOKIE, forget_link, link_secret, remember_link
from ostiary.entrypoints.site.reason_page import mail_address
from ostiary.entrypoints.web.browser import browser_secret
from ostiary.entrypoints.web.context import actor, services
from ostiary.entrypoints.web.permissions import requires
from ostiary.entrypoints.web.rate_limits import by_address, by_cookie, limited
from ostiary.entrypoints.web.templates import render, see_other

router = APIRouter(include_in_schema=False)

_PUBLIC = [requires(Permission.PUBLIC)]
_PASSING_ON = [*_PUBLIC, limited(LimitedAct.CONSENT, by_address, by_cookie(COOKIE))]


@router.get("/admin-consent/l/{secret}", dependencies=[*_PUBLIC, limited(LimitedAct.LINK)])
async def receive_link(secret: str) -> Response:
    """Move the secret out of the address bar. Uses nothing up: mail scanners open links, too (SR-26, SR-67)."""
    answer = see_other("/admin-consent")
    remember_link(answer, secret)
    return answer


@router.post("/admin-consent/without-link", dependencies=_PUBLIC)
async def go_without_link(request: Request) -> Response:
    """Forget the link in this browser and go on with the general page."""
    answer = see_other("/admin-consent")
    forget_link(answer)
    return answer


@router.get("/admin-consent/forward", dependencies=_PUBLIC)
async def show_forward(request: Request, link: str = "") -> Response:
    """Show the message for a colleague; ``link`` is the reference of a link that this browser made."""
    preview = await _preview(request)
    if preview is None and link_secret(request) is not None:
        return link_problem(request)
    settings = services(request).settings
    message: AdministratorMessage | None = None
    if preview is None:
        message = _message(request, f"{settings.public_url.rstrip('/')}/admin-consent", None)
    elif link:
        issued = await services(request).consent.links.read_again(
            link, browser_secret=browser_secret(request)
        )
        if issued is not None and issued.link.organization_id == preview.organization.id:
            message = _message(request, issued.url.reveal(), preview)
    return render(
        request,
        "site/forward.html",
        preview=preview,
        organization=None if preview is None else preview.organization.name,
        message=message,
        mail=None if message is None else mail_address("", message.subject, message.body),
    )


@router.post("/admin-consent/forward", dependencies=_PASSING_ON)
async def make_forward_link(request: Request) -> Response:
    """Make a fresh link to pass on."""
    secret = link_secret(request)
    if secret is None:
        return see_other("/admin-consent/forward")
    try:
        issued = await services(request).consent.links.pass_on(
            link_secret=secret, browser_secret=browser_secret(request), actor=actor(request)
        )
    except (NotFound, PermissionDenied) as refusal:
        if isinstance(refusal, PermissionDenied):
            raise
        return see_other("/admin-consent")
    return see_other(f"/admin-consent/forward?link={issued.link.reference}")


@router.get("/admin-consent/decline", dependencies=_PUBLIC)
async def show_decline(request: Request) -> Response:
    """Ask for a reason, which may stay empty."""
    preview = await _preview(request)
    if preview is None:
        return link_problem(request) if link_secret(request) is not None else see_other("/admin-consent")
    return _decline_form(request, preview)


@router.post("/admin-consent/decline", dependencies=_PASSING_ON)
async def decline(request: Request, reason: Annotated[str, Form()] = "") -> Response:
    """Decline the request behind the link, and end the link."""
    secret = link_secret(request)
    preview = await _preview(request)
    if secret is None or preview is None:
        return see_other("/admin-consent")
    try:
        await services(request).consent.links.decline(
            link_secret=secret,
            browser_secret=browser_secret(request),
            reason=reason,
            actor=actor(request),
        )
    except InvalidRequest as error:
        return _decline_form(request, preview, reason=reason, problem=error.message)
    except NotFound:
        return see_other("/admin-consent")
    answer = see_other("/admin-consent/declined")
    forget_link(answer)
    return answer


@router.get("/admin-consent/declined", dependencies=_PUBLIC)
async def show_declined(request: Request) -> Response:
    """Say that the decision has been passed on."""
    return render(request, "site/declined.html")


def _decline_form(
    request: Request, preview: LinkPreview, *, reason: str = "", problem: str | None = None
) -> Response:
    return render(
        request,
        "site/decline.html",
        status_code=200 if problem is None else 400,
        preview=preview,
        organization=preview.organization.name,
        limit=DECLINE_REASON_LIMIT,
        reason=reason,
        problem=problem,
    )


async def _preview(request: Request) -> LinkPreview | None:
    secret = link_secret(request)
    if secret is None:
        return None
    preview = await services(request).consent.links.preview(
        link_secret=secret, browser_secret=browser_secret(request)
    )
    if preview is not None:
        confine(preview.organization.id)
    return preview


def _message(request: Request, link: str, preview: LinkPreview | None) -> AdministratorMessage:
    settings = services(request).settings
    return administrator_message(
        vendor=settings.vendor_name,
        link=link,
        app_id=settings.app_client_id,
        publisher=settings.vendor_publisher,
        publisher_verified=settings.vendor_publisher_verified,
        waiting_count=0 if preview is None else preview.waiting_count,
        sender_name="" if preview is None else preview.link.asked_by_name,
        link_expires=preview is not None,
    )
