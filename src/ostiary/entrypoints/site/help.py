"""Help for people whom Microsoft's own page stopped, and references read over the phone (UX §6.4)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Request, Response

from ostiary.core.access.model import Permission
from ostiary.core.kernel.errors import NotFound
from ostiary.core.kernel.ids import parse_reference
from ostiary.core.reasons.catalogue import find_reason
from ostiary.core.reasons.classify import reason_of_number, variant_of
from ostiary.core.reasons.explain import explain
from ostiary.core.reasons.model import Where
from ostiary.entrypoints.site.attempt_page import find_view, not_yours, page_of, plain_context
from ostiary.entrypoints.site.connect_problem import render_trouble, trouble_told
from ostiary.entrypoints.site.link_cookie import link_secret
from ostiary.entrypoints.site.reason_page import mark_of, shown_copyables, steps_of
from ostiary.entrypoints.web.browser import browser_secret
from ostiary.entrypoints.web.context import request_id, services
from ostiary.entrypoints.web.permissions import requires
from ostiary.entrypoints.web.sign_in_host import sign_in_origin
from ostiary.entrypoints.web.templates import render, see_other, written_moment

router = APIRouter(include_in_schema=False)

_PUBLIC = [requires(Permission.PUBLIC)]
_NUMBER = re.compile(r"^\d{1,7}$")


@dataclass(frozen=True, slots=True)
class Sighting:
    """Something Microsoft's page may have said."""

    id: str
    label: str
    reason_id: str


SIGHTINGS: Final = (
    Sighting("need_admin_approval", "“Need admin approval”", "not_admin"),
    Sighting("approval_required", "“Approval required”, with a box to ask", "not_admin"),
    Sighting("not_assigned", "“You can’t access this application” or “not assigned”", "not_assigned"),
    Sighting("app_disabled", "“The app is disabled”", "app_disabled"),
    Sighting(
        "no_access",
        "“Your sign-in was successful but you can’t access this”",
        "sign_in_policy",
    ),
    Sighting("more_information", "“More information required” or my phone’s approval", "sign_in_policy"),
    Sighting("risky", "“This app may be risky” or “unverified”", "unverified_publisher"),
    Sighting("no_account", "“The account doesn’t exist in this organization”", "wrong_tenant"),
    Sighting("down", "Microsoft’s page had an error or never loaded", "microsoft_down"),
    Sighting("other", "Something else", "unknown"),
)
_VARIANTS: Final = {"more_information": "mfa"}


@router.get("/help/microsoft-page", dependencies=_PUBLIC)
async def show_question(request: Request, problem: str = "") -> Response:
    """Ask what Microsoft's page said."""
    return _question(request, said="", number="", problem=bool(problem))


@router.post("/help/microsoft-page", dependencies=_PUBLIC)
async def answer_question(
    request: Request, said: Annotated[str, Form()] = "", number: Annotated[str, Form()] = ""
) -> Response:
    """Lead to the page with the answer; its address can be reloaded and passed on."""
    chosen = next((each for each in SIGHTINGS if each.id == said), None)
    digits = number.strip().upper().removeprefix("AADSTS")
    if (chosen is None and not digits) or (digits and not _NUMBER.match(digits)):
        return _question(request, said=said, number=number[:40], problem=True)
    query = {**({"said": chosen.id} if chosen else {}), **({"number": digits} if digits else {})}
    return see_other(f"/help/microsoft-page/answer?{urlencode(query)}")


@router.get("/help/microsoft-page/answer", dependencies=_PUBLIC)
async def show_answer(request: Request, said: str = "", number: str = "") -> Response:
    """Show the same page as a failure that came back to us (UX §7)."""
    chosen = next((each for each in SIGHTINGS if each.id == said), None)
    code = int(number) if _NUMBER.match(number) else None
    if chosen is None and code is None:
        return see_other("/help/microsoft-page")
    reason_id, where = _reason(chosen, code)
    settings = services(request).settings
    variant = variant_of(reason_id, () if code is None else (code,)) or _VARIANTS.get(said)
    happened = (
        "Microsoft’s page stopped you, and you told us what it said."
        if chosen is None
        else f"Microsoft’s page stopped you. You chose: {chosen.label}"
    )
    if link_secret(request) is None:
        connecting = await trouble_told(
            request, reason_id, variant=variant, code=None if code is None else f"AADSTS{code}"
        )
        if connecting is not None:
            return render_trouble(request, connecting, happened=happened)
    now = services(request).clock.now()
    explanation = explain(
        reason_id,
        where=where,
        variant=variant,
        values={
            "vendor": settings.vendor_name,
            "app_id": settings.app_client_id,
            "org": await _organization(request),
            "code": None if code is None else f"AADSTS{code}",
            "time": written_moment(now),
            "ref": request_id(request),
            "help": settings.vendor_help_email,
        },
    )
    return render(
        request,
        "site/problem.html",
        form_targets=[sign_in_origin(request)],
        explanation=explanation,
        reassurance=explanation.reassurance,
        happened=happened,
        mark=mark_of(explanation),
        steps=steps_of(explanation, plain_context(request)),
        copyables=shown_copyables(explanation),
        message=None,
        wait_seconds=None,
        organization=None,
        support=[
            ("Reference", request_id(request)),
            ("Reason", explanation.reason_id),
            ("Microsoft said", None if code is None else f"AADSTS{code}"),
            ("When", written_moment(now)),
        ],
        reference=request_id(request),
    )


@router.get("/ref/{reference}", dependencies=_PUBLIC)
async def show_reference(request: Request, reference: str) -> Response:
    """Lead somebody who may see it to what a reference is about; everyone else to sign in."""
    parsed = parse_reference(reference)
    if parsed is None:
        return not_yours(request)
    if parsed.startswith("CN-"):
        view = await find_view(request, parsed)
        if view is not None:
            return see_other(page_of(view.attempt))
    if parsed.startswith("CO-"):
        # The page itself knows who may see it, and which of its kind fits by now.
        return see_other(f"/connect/done/{parsed}")
    return not_yours(request)


def _question(request: Request, *, said: str, number: str, problem: bool) -> Response:
    return render(
        request,
        "site/microsoft_page.html",
        status_code=400 if problem else 200,
        sightings=SIGHTINGS,
        said=said,
        number=number,
        problem=problem,
    )


def _reason(chosen: Sighting | None, code: int | None) -> tuple[str, Where]:
    """Return the reason, and the flow it can happen in; a number says more than a title."""
    for where in (Where.CONSENT, Where.CONNECT):
        hinted = None if code is None else reason_of_number(code, where=where)
        if hinted is not None and hinted != "unknown":
            return hinted, where
    reason_id = "unknown" if chosen is None else chosen.reason_id
    reason = find_reason(reason_id)
    in_consent = reason is not None and Where.CONSENT in reason.where
    return reason_id, Where.CONSENT if in_consent else Where.CONNECT


async def _organization(request: Request) -> str | None:
    secret = link_secret(request)
    if secret is None:
        return None
    try:
        preview = await services(request).consent.links.preview(
            link_secret=secret, browser_secret=browser_secret(request)
        )
    except NotFound:
        return None
    return None if preview is None else preview.organization.name
