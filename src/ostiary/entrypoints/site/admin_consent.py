"""The approval site: decide, go to Microsoft, come back, see what became of it (UX §4)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Annotated, Final

import structlog
from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import JSONResponse
from starlette.background import BackgroundTask

from ostiary.core.access.model import Permission
from ostiary.core.access.rate_limits import LimitedAct
from ostiary.core.approvals.partial import feature_lacking
from ostiary.core.consent.links import LinkPreview
from ostiary.core.consent.machine import APPROVED
from ostiary.core.consent.model import Consent, ConsentAttempt, ConsentState
from ostiary.core.consent.permissions import missing_permissions
from ostiary.core.consent.service import AttemptView
from ostiary.core.kernel.access_method import AccessMethod
from ostiary.core.kernel.errors import Conflict, FlowRejected, InvalidRequest, NotFound
from ostiary.core.kernel.failpoints import Failpoint, hit
from ostiary.core.kernel.reach import confine
from ostiary.core.kernel.secret import Secret
from ostiary.core.reasons.catalogue import EXCHANGE_CAPTION, EXCHANGE_STEPS
from ostiary.core.reasons.explain import explain, fill
from ostiary.core.reasons.model import Where
from ostiary.core.signin.model import StartedFlow
from ostiary.entrypoints.site.attempt_page import (
    explain_attempt,
    find_view,
    not_yours,
    organization_name,
    page_of,
    plain_context,
    render_problem,
    step_context,
    support_lines,
)
from ostiary.entrypoints.site.facts import SHORT_NAMES, app_id_for, genuine_facts, permission_lines
from ostiary.entrypoints.site.link_cookie import COOKIE as LINK_COOKIE
from ostiary.entrypoints.site.link_cookie import link_secret
from ostiary.entrypoints.site.reason_page import mail_address, mark_of, steps_of
from ostiary.entrypoints.web.browser import COOKIE as BROWSER_COOKIE
from ostiary.entrypoints.web.browser import browser_secret
from ostiary.entrypoints.web.context import actor, request_id, services
from ostiary.entrypoints.web.cookies import read_cookie
from ostiary.entrypoints.web.permissions import requires
from ostiary.entrypoints.web.rate_limits import by_address, by_cookie, count_guess, limited
from ostiary.entrypoints.web.sign_in_host import sign_in_origin
from ostiary.entrypoints.web.templates import render, see_other, written_hour, written_moment

router = APIRouter(include_in_schema=False)

log = structlog.get_logger("ostiary.site")

_PUBLIC = [requires(Permission.PUBLIC)]
_BEGINNING = [*_PUBLIC, limited(LimitedAct.CONSENT, by_address, by_cookie(LINK_COOKIE))]
_SLOW_AFTER: Final = timedelta(seconds=30)
"""From here on a person is told that it may take long (UX §4.2)."""
_FOR_THE_OPERATOR: Final = frozenset({"our_fault", "unverified_publisher"})
"""Reasons that only the vendor can mend; pages say that we have been alerted."""


@router.get("/admin-consent", dependencies=_PUBLIC)
async def show_start(request: Request) -> Response:
    """Let the IT administrator decide. Changes nothing, however often it is opened (SR-26)."""
    secret = link_secret(request)
    consent = services(request).consent
    preview: LinkPreview | None = None
    if secret is not None:
        preview = await consent.links.preview(link_secret=secret, browser_secret=browser_secret(request))
        if preview is None:
            await count_guess(request)
            return link_problem(request)
        confine(preview.organization.id)
    latest = (
        preview.latest_attempt
        if preview is not None
        else await consent.latest_attempt(browser_secret=browser_secret(request))
    )
    return render(
        request,
        "site/admin_consent.html",
        form_targets=[sign_in_origin(request)],
        preview=preview,
        organization=None if preview is None else preview.organization.name,
        waiting=0 if preview is None else preview.waiting_count,
        approved=() if preview is None else _standing(preview.consents),
        latest=latest,
        latest_path=None if latest is None else page_of(latest),
        unfinished=latest is not None and latest.is_unfinished(services(request).clock.now()),
        ews_trouble=consent.ews_trouble(),
        graph_permissions=permission_lines(request, AccessMethod.GRAPH),
        ews_permissions=permission_lines(request, AccessMethod.EWS),
        genuine=genuine_facts(request),
        short_names=SHORT_NAMES,
    )


@router.post("/admin-consent/start", dependencies=_BEGINNING)
async def start(request: Request, api: Annotated[AccessMethod, Form()]) -> Response:
    """Begin an attempt and go to Microsoft."""
    return await _go(request, services(request).consent.start, api)


@router.post("/admin-consent/check-now", dependencies=_BEGINNING)
async def check_now(request: Request, api: Annotated[AccessMethod, Form()]) -> Response:
    """Look for an approval that was given without our pages, or that we lost track of."""
    return await _go(request, services(request).consent.check_now, api)


async def _go(
    request: Request, begin: Callable[..., Awaitable[StartedFlow]], method: AccessMethod
) -> Response:
    """Begin a round trip for what this browser's link is for, and send the browser on it."""
    try:
        flow = await begin(
            method,
            browser_secret=browser_secret(request),
            link_secret=link_secret(request),
            actor=actor(request),
        )
    except NotFound:
        return see_other("/admin-consent")
    except InvalidRequest:
        return see_other("/admin-consent/ews-ended")
    return see_other(flow.url)


@router.post("/admin-consent/check/{reference}", dependencies=_BEGINNING)
async def check_again(request: Request, reference: str) -> Response:
    """Look once more for the approval of an attempt, or ask EWS again."""
    try:
        flow = await services(request).consent.check_again(
            reference, browser_secret=browser_secret(request), actor=actor(request)
        )
    except NotFound:
        return not_yours(request)
    return see_other(flow.url)


@router.get("/admin-consent/return/{registration_id}", dependencies=[*_PUBLIC, limited(LimitedAct.RETURN)])
async def come_back(request: Request, registration_id: str) -> Response:
    """Take the return from Microsoft; it leaves the address bar before any page is shown (SR-5)."""
    known = read_cookie(request, BROWSER_COOKIE)
    try:
        step = await services(request).consent.complete(
            services(request).signin.parse_return(request.query_params.multi_items()),
            registration_id=registration_id,
            browser_secret=None if known is None else Secret(known),
            actor=actor(request),
        )
    except FlowRejected:
        await count_guess(request)
        return see_other("/admin-consent/lost")
    if step.attempt.reason in _FOR_THE_OPERATOR:
        provider = step.attempt.provider
        log.error(
            "approval_needs_the_operator",
            reason=step.attempt.reason,
            reference=step.attempt.reference,
            organization_id=step.attempt.organization_id,
            tenant_id=step.attempt.tenant_id or step.attempt.claimed_tenant_id,
            provider_code=None if provider is None else provider.code,
        )
    answer = see_other(step.continue_at or page_of(step.attempt))
    answer.background = BackgroundTask(hit, Failpoint.CONSENT_RESPONSE_SENT)
    return answer


@router.get("/admin-consent/checking/{reference}", dependencies=_PUBLIC)
async def show_checking(request: Request, reference: str) -> Response:
    """Wait for Microsoft to pass the approval on."""
    view = await find_view(request, reference)
    if view is None:
        return not_yours(request)
    if page_of(view.attempt) != request.url.path:
        return see_other(page_of(view.attempt))
    return render(
        request,
        "site/checking.html",
        form_targets=[sign_in_origin(request)],
        attempt=view.attempt,
        organization=organization_name(view),
        slow=_slow_words(request, view),
        as_of=services(request).clock.now(),
        support=support_lines(view.attempt),
    )


@router.get("/admin-consent/checking/{reference}/live", dependencies=_PUBLIC)
async def look_again(request: Request, reference: str) -> Response:
    """Say to the script of the checking page whether there is a result yet."""
    view = await find_view(request, reference)
    if view is None:
        return JSONResponse({"reload": True})
    page = page_of(view.attempt)
    if page != f"/admin-consent/checking/{view.attempt.reference}":
        return JSONResponse({"go_to": page})
    return JSONResponse(
        {
            "still": "Still checking",
            "slow": _slow_words(request, view),
            "as_of": written_hour(services(request).clock.now()),
        }
    )


def _slow_words(request: Request, view: AttemptView) -> str:
    """What the checking page says once waiting has become long; empty before."""
    since = view.attempt.returned_at or view.attempt.created_at
    if services(request).clock.now() - since < _SLOW_AFTER:
        return ""
    words = "Microsoft can take up to half an hour to pass an approval on. You can close this page. "
    asker = None if view.link is None else view.link.asked_by_name
    return (
        words
        + f"This address shows the result in this browser{f', and {asker} sees it too' if asker else ''}."
    )


@router.get("/admin-consent/done/{reference}", dependencies=_PUBLIC)
async def show_done(request: Request, reference: str, without: str = "") -> Response:
    """Show the record of an approval, and what is still to do where something is."""
    view = await find_view(request, reference)
    if view is None:
        return not_yours(request)
    attempt = view.attempt
    if page_of(attempt) != request.url.path:
        return see_other(page_of(attempt))
    asker = None if view.link is None else view.link.asked_by_name
    needs_ews_step = attempt.method is AccessMethod.EWS and attempt.ews_reachable is False
    explanation = explain_attempt(request, view) if attempt.reason else None
    settings = services(request).settings
    app_id = app_id_for(request, attempt.method)
    return render(
        request,
        "site/done.html",
        form_targets=[sign_in_origin(request)],
        attempt=attempt,
        organization=organization_name(view),
        asker=asker,
        is_verified=attempt.state is ConsentState.VERIFIED,
        needs_ews_step=needs_ews_step,
        left_out=feature_lacking(attempt),
        goes_on=without == "yes",
        explanation=explanation,
        mark=None if explanation is None else mark_of(explanation),
        steps=()
        if explanation is None
        else steps_of(explanation, step_context(request, attempt, goes_on=without == "yes")),
        permission_count=len(permission_lines(request, attempt.method)),
        missing=missing_permissions(attempt.method, attempt.granted_scopes),
        exchange_steps=fill(EXCHANGE_STEPS, {"app_id": app_id}),
        exchange_caption=EXCHANGE_CAPTION,
        record_mail=mail_address(
            "",
            f"{settings.vendor_name}: approval {attempt.reference}",
            _record(request, view.attempt, organization_name(view)),
        ),
        support=support_lines(attempt),
        sends_mail=services(request).approvals.sends_mail,
        record_mailed=await services(request).approvals.record_was_mailed(attempt.id),
        asker_mailed=view.link is not None
        and await services(request).approvals.mails_asker(
            view.link.organization_id, view.link.asked_by_member_id
        ),
    )


@router.post("/admin-consent/done/{reference}/email", dependencies=[*_PUBLIC, limited(LimitedAct.MAIL)])
async def mail_record(request: Request, reference: str) -> Response:
    """Mail the record to the account that approved."""
    try:
        await services(request).approvals.mail_record(reference, browser_secret=browser_secret(request))
    except NotFound:
        return not_yours(request)
    return see_other(f"/admin-consent/done/{reference}")


@router.post("/admin-consent/without/{reference}", dependencies=[*_PUBLIC, limited(LimitedAct.MAIL)])
async def go_on_without(request: Request, reference: str) -> Response:
    """Leave out what was not approved, and tell those who wait for the rest."""
    try:
        await services(request).approvals.partial.go_on_without(
            reference, browser_secret=browser_secret(request), actor=actor(request)
        )
    except NotFound:
        return not_yours(request)
    except Conflict:
        return see_other(f"/admin-consent/done/{reference}")
    return see_other(f"/admin-consent/done/{reference}?without=yes")


@router.get("/admin-consent/problem/{reference}", dependencies=_PUBLIC)
async def show_problem(request: Request, reference: str) -> Response:
    """Show why an attempt did not succeed, who can fix it and how."""
    view = await find_view(request, reference)
    if view is None:
        return not_yours(request)
    if page_of(view.attempt) != request.url.path:
        return see_other(page_of(view.attempt))
    return render_problem(request, view)


@router.get("/admin-consent/lost", dependencies=_PUBLIC)
async def show_lost(request: Request) -> Response:
    """Say that a return fitted nothing begun in this browser; never why (SR-69)."""
    return reason_answer(
        request, "session_lost", "Microsoft sent you here, but no sign-in of this browser was waiting for it."
    )


@router.get("/admin-consent/ews-ended", dependencies=_PUBLIC)
async def show_ews_ended(request: Request) -> Response:
    """Say that EWS cannot be chosen here (any more)."""
    if services(request).consent.ews_trouble() is None:
        return see_other("/admin-consent")
    return reason_answer(request, "ews_ended", "EWS can’t be chosen here any more.")


@router.get("/admin-consent/permissions", dependencies=_PUBLIC)
async def show_permissions(request: Request) -> Response:
    """List every permission with its reason, for printing."""
    return render(
        request,
        "site/permissions.html",
        graph_permissions=permission_lines(request, AccessMethod.GRAPH),
        ews_permissions=permission_lines(request, AccessMethod.EWS),
        offers_ews=services(request).consent.ews_trouble() is None,
        genuine=genuine_facts(request),
        as_of=services(request).clock.now(),
    )


@router.get("/admin-consent/own-way", dependencies=_PUBLIC)
async def show_own_way(request: Request) -> Response:
    """Say how to approve without our link, and offer to look afterwards."""
    return render(
        request,
        "site/own_way.html",
        form_targets=[sign_in_origin(request)],
        genuine=genuine_facts(request),
        graph_app_id=app_id_for(request, AccessMethod.GRAPH),
        ews_app_id=app_id_for(request, AccessMethod.EWS),
        offers_ews=services(request).consent.ews_trouble() is None,
        organization=await _organization_of_link(request),
    )


def link_problem(request: Request) -> Response:
    """Answer every link that does not work with the same page (SR-69)."""
    return reason_answer(request, "link_expired", "The link you opened can’t be used here.", status_code=404)


def reason_answer(request: Request, reason_id: str, what: str, *, status_code: int = 200) -> Response:
    """Answer with a reason's page that belongs to no attempt."""
    settings = services(request).settings
    explanation = explain(
        reason_id,
        where=Where.CONSENT,
        values={"vendor": settings.vendor_name, "help": settings.vendor_help_email},
    )
    return render(
        request,
        "site/problem.html",
        status_code=status_code,
        form_targets=[sign_in_origin(request)],
        explanation=explanation,
        reassurance=explanation.reassurance,
        happened=what,
        mark=mark_of(explanation),
        steps=steps_of(explanation, plain_context(request)),
        copyables=(),
        message=None,
        wait_seconds=None,
        organization=None,
        support=[
            ("Reference", request_id(request)),
            ("Reason", explanation.reason_id),
            ("When", written_moment(services(request).clock.now())),
        ],
        reference=request_id(request),
    )


def _standing(consents: tuple[Consent, ...]) -> tuple[Consent, ...]:
    return tuple(consent for consent in consents if consent.state in APPROVED)


async def _organization_of_link(request: Request) -> str | None:
    secret = link_secret(request)
    if secret is None:
        return None
    preview = await services(request).consent.links.preview(
        link_secret=secret, browser_secret=browser_secret(request)
    )
    return None if preview is None else preview.organization.name


def _record(request: Request, attempt: ConsentAttempt, organization: str | None) -> str:
    """Return the record of an approval as plain text."""
    vendor = services(request).settings.vendor_name
    approved_by = ", ".join(part for part in (attempt.account_name, attempt.account) if part)
    left_out = feature_lacking(attempt)
    connects = "Email and calendar" if left_out is None else left_out.other.label.capitalize()
    lines = (
        f"Record of the approval of {vendor}",
        f"Organization: {organization or attempt.tenant_name or 'not known yet'}",
        f"Tenant ID: {attempt.tenant_id}",
        f"Approved by: {approved_by}",
        f"Connection: {connects} through {attempt.method.label}",
        f"When: {written_moment(attempt.verified_at or attempt.updated_at)}",
        f"Reference: {attempt.reference}",
    )
    return "\n".join(lines)
