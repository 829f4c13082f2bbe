"""What the pages of one attempt say: which page, which words, which steps."""

from __future__ import annotations

from typing import Final

from fastapi import Request, Response

from ostiary.core.approvals.message import AdministratorMessage, administrator_message
from ostiary.core.approvals.partial import feature_lacking
from ostiary.core.consent.model import ConsentAttempt, ConsentState
from ostiary.core.consent.permissions import missing_permissions
from ostiary.core.consent.service import AttemptView
from ostiary.core.kernel.access_method import AccessMethod
from ostiary.core.kernel.errors import NotFound
from ostiary.core.kernel.secret import Secret
from ostiary.core.reasons.explain import Explanation, explain
from ostiary.core.reasons.model import Where
from ostiary.entrypoints.site.facts import app_id_for, permission_names
from ostiary.entrypoints.site.link_cookie import link_secret
from ostiary.entrypoints.site.reason_page import (
    StepContext,
    mark_of,
    shown_copyables,
    steps_of,
    wait_before_retry,
    without_retry,
)
from ostiary.entrypoints.web.browser import browser_secret
from ostiary.entrypoints.web.context import services
from ostiary.entrypoints.web.cookies import read_cookie
from ostiary.entrypoints.web.permissions import SESSION_COOKIE
from ostiary.entrypoints.web.sign_in_host import sign_in_origin
from ostiary.entrypoints.web.templates import render, sign_in_path, written_date, written_moment

_TROUBLE: Final = frozenset({"microsoft_down", "our_fault"})
"""While we keep looking: reasons that a person should read instead of "checking"."""


def page_of(attempt: ConsentAttempt) -> str:
    """Return the path of the page that an attempt belongs on now."""
    if attempt.state is ConsentState.STARTED:
        return "/admin-consent"
    if attempt.state in {ConsentState.VERIFIED, ConsentState.PARTIAL, ConsentState.WITHDRAWN}:
        return f"/admin-consent/done/{attempt.reference}"
    if attempt.state in {ConsentState.RETURNED, ConsentState.VERIFYING}:
        if attempt.reason == "tenant_pending":
            return f"/admin-consent/done/{attempt.reference}"
        if attempt.reason not in _TROUBLE:
            return f"/admin-consent/checking/{attempt.reference}"
    return f"/admin-consent/problem/{attempt.reference}"


async def find_view(request: Request, reference: str) -> AttemptView | None:
    """Return the attempt if this browser started it, or a signed-in operator or organization admin asks."""
    consent = services(request).consent
    try:
        return await consent.view(reference, browser_secret=browser_secret(request))
    except NotFound:
        pass
    session = read_cookie(request, SESSION_COOKIE)
    caller = None if session is None else await services(request).access.find_session(Secret(session))
    if caller is None:
        return None
    try:
        return await consent.view_for_organization(reference, organization_id=caller.organization_id)
    except NotFound:
        return None


def not_yours(request: Request) -> Response:
    """Answer somebody who may not see an attempt, or asks for one that never was: both alike (SR-69)."""
    address = services(request).settings.effective_console_url.rstrip("/") + sign_in_path(request.url.path)
    return render(request, "site/not_yours.html", status_code=404, sign_in_address=address)


def explain_attempt(request: Request, view: AttemptView) -> Explanation:
    """Return the words for where an attempt stands."""
    attempt, settings = view.attempt, services(request).settings
    missing = missing_permissions(attempt.method, attempt.granted_scopes)
    provider, left_out = attempt.provider, feature_lacking(attempt)
    return explain(
        attempt.reason or ("not_confirmed" if attempt.state is ConsentState.EXPIRED else None),
        where=Where.CONSENT,
        variant=attempt.reason_variant,
        values={
            "vendor": settings.vendor_name,
            "org": organization_name(view),
            "asker": None if view.link is None else view.link.asked_by_name,
            "account": attempt.account,
            "app_id": app_id_for(request, attempt.method),
            "date": written_date(attempt.updated_at),
            "ref": attempt.reference,
            "n": str(len(missing)),
            "list": permission_names(missing),
            "feature": None if left_out is None else left_out.label,
            "domain": attempt.tenant_domains[0] if attempt.tenant_domains else attempt.tenant_id,
            "code": None if provider is None else provider.code,
            "correlation_id": None if provider is None else provider.correlation_id,
            "time": written_moment(attempt.updated_at),
            "help": settings.vendor_help_email,
        },
    )


def organization_name(view: AttemptView) -> str | None:
    """Return the organization's name as the person may know it; None while we do not know whose approval it is."""
    return None if view.organization is None else view.organization.name


def happened(request: Request, attempt: ConsentAttempt, explanation: Explanation) -> str:
    """Return what we know happened, in one or two sentences."""
    vendor = services(request).settings.vendor_name
    said = {
        "declined": "You came back from Microsoft’s page without approving.",
        "not_admin": f"Microsoft didn’t let the account that signed in approve {vendor}.",
        "wrong_tenant": "The account that signed in isn’t from the organization this approval is for.",
        "personal_account": "Microsoft sent you back, but the account that signed in can’t approve this.",
        "tenant_taken": f"Microsoft confirmed the sign-in, but {vendor} can’t accept this organization here.",
        "not_confirmed": "Half an hour has passed since you came back from Microsoft.",
        "microsoft_down": "Microsoft didn’t answer our question about the approval.",
        "session_lost": "You came back from Microsoft, but we couldn’t match it with a sign-in begun here.",
        "missing_permission": "Microsoft recorded the approval, with less in it than was asked for.",
    }.get(explanation.reason_id)
    if said is None:
        said = (
            "Microsoft sent you back without an approval."
            if attempt.returned_at is None
            else "You came back from Microsoft, but we couldn’t check the approval."
        )
    if attempt.account is None:
        return said
    if explanation.reason_id == "not_admin":
        return f"Microsoft signed you in as {attempt.account}, but that account can’t approve {vendor}."
    return f"Microsoft signed you in as {attempt.account}. {said}"


def support_lines(attempt: ConsentAttempt) -> list[tuple[str, str | None]]:
    """Return "Details for support" (UX §5)."""
    provider = attempt.provider
    return [
        ("Reference", attempt.reference),
        ("Reason", attempt.reason),
        ("Microsoft said", None if provider is None else provider.code),
        ("Correlation ID", None if provider is None else provider.correlation_id),
        ("When", written_moment(attempt.updated_at)),
    ]


def forward_message(request: Request, view: AttemptView) -> AdministratorMessage | None:
    """Return the message for somebody who may approve, with the link made for it when the attempt failed."""
    if view.forward_url is None:
        return None
    settings = services(request).settings
    sender = view.attempt.account_name or (view.link.asked_by_name if view.link else "")
    return administrator_message(
        vendor=settings.vendor_name,
        link=view.forward_url.reveal(),
        app_id=app_id_for(request, view.attempt.method),
        publisher=settings.vendor_publisher,
        publisher_verified=settings.vendor_publisher_verified,
        waiting_count=view.waiting_count,
        sender_name=sender,
    )


def render_problem(request: Request, view: AttemptView) -> Response:
    """Answer with the failure page of an attempt."""
    attempt = view.attempt
    explanation = explain_attempt(request, view)
    wait_seconds = wait_before_retry(
        explanation.reason_id, attempt.returned_at or attempt.updated_at, services(request).clock.now()
    )
    if wait_seconds:
        explanation = without_retry(explanation)
    return render(
        request,
        "site/problem.html",
        wait_seconds=wait_seconds,
        path=request.url.path,
        form_targets=[sign_in_origin(request)],
        explanation=explanation,
        # After an Accept that we could not confirm, "nothing was approved" might be untrue.
        reassurance=None if attempt.returned_at is not None else explanation.reassurance,
        happened=happened(request, attempt, explanation),
        mark=mark_of(explanation),
        steps=steps_of(explanation, step_context(request, attempt)),
        copyables=shown_copyables(explanation),
        message=forward_message(request, view),
        organization=organization_name(view),
        support=support_lines(attempt),
        reference=attempt.reference,
    )


def step_context(request: Request, attempt: ConsentAttempt, *, goes_on: bool = False) -> StepContext:
    """Return where an attempt's steps lead; ``goes_on``: without what is missing, as was said just now."""
    settings = services(request).settings
    return StepContext(
        method=attempt.method,
        help_email=settings.vendor_help_email,
        vendor=settings.vendor_name,
        reference=attempt.reference,
        has_link=link_secret(request) is not None,
        left_out=None if goes_on else feature_lacking(attempt),
        may_check=attempt.state is ConsentState.VERIFYING,
    )


def plain_context(request: Request, method: AccessMethod = AccessMethod.GRAPH) -> StepContext:
    """Return where steps lead on a page that belongs to no attempt."""
    settings = services(request).settings
    return StepContext(
        method=method,
        help_email=settings.vendor_help_email,
        vendor=settings.vendor_name,
        has_link=link_secret(request) is not None,
    )
