"""API keys on the operator's pages: made, shown once, rotated, revoked (SR-60, SR-61)."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Final

from fastapi import APIRouter, Form, Query, Request, Response

from ostiary.core.access.model import (
    API_KEY_DEFAULT_LIFE,
    API_KEY_LONGEST_LIFE,
    API_KEY_LONGEST_OVERLAP,
    API_PERMISSIONS,
    ApiKey,
    Permission,
)
from ostiary.core.kernel.errors import Conflict, InvalidRequest
from ostiary.core.kernel.secret import Secret
from ostiary.entrypoints.console.shell import render_operator
from ostiary.entrypoints.console.words import Word
from ostiary.entrypoints.web.context import actor, services
from ostiary.entrypoints.web.permissions import requires
from ostiary.entrypoints.web.templates import see_other

router = APIRouter(include_in_schema=False)

PERMISSION_WORDS: Final = {
    Permission.API_READ: "See customers, members, approvals and connections",
    Permission.API_MANAGE: "Change customers, members and connections",
    Permission.API_MAILBOX_READ: "Read mail and calendars",
    Permission.API_MAILBOX_WRITE: "Change mail and calendars, and send",
    Permission.METRICS_READ: "Read metrics and health",
}
_MOST_HOURS: Final = int(API_KEY_LONGEST_OVERLAP.total_seconds() // 3600)


@router.get("/operator/keys", dependencies=[requires(Permission.OPERATOR_READ)])
async def show_keys(
    request: Request, done: Annotated[str, Query(max_length=20)] = "", problem: str = ""
) -> Response:
    """List keys, and offer to make one."""
    problems = [("keys", "This key has ended or was replaced already.")] if problem == "ended" else []
    return await _page(request, done=done, problems=problems)


@router.post("/operator/keys", dependencies=[requires(Permission.OPERATOR_MANAGE, fresh=True)])
async def create_key(
    request: Request,
    name: Annotated[str, Form(max_length=200)] = "",
    permission: Annotated[list[Permission] | None, Form()] = None,
    days: Annotated[int, Form(ge=1, le=API_KEY_LONGEST_LIFE.days)] = API_KEY_DEFAULT_LIFE.days,
    networks: Annotated[str, Form(max_length=2000)] = "",
) -> Response:
    """Make a key and show it this once."""
    try:
        key, text = await services(request).access.create_api_key(
            name=name,
            permissions=permission or (),
            life=timedelta(days=days),
            networks=[word for word in re.split(r"[\s,]+", networks) if word],
            actor=actor(request),
        )
    except InvalidRequest as error:
        return await _page(
            request,
            problems=[(error.field or "name", error.message)],
            typed={"name": name, "permission": permission or [], "days": days, "networks": networks},
            status_code=400,
        )
    return _shown_once(request, key, text, old=None)


@router.post(
    "/operator/keys/{key_id}/rotate", dependencies=[requires(Permission.OPERATOR_MANAGE, fresh=True)]
)
async def rotate_key(
    request: Request, key_id: str, overlap_hours: Annotated[int | None, Form(ge=0, le=_MOST_HOURS)] = None
) -> Response:
    """Replace a key, and show the new one this once."""
    access = services(request).access
    try:
        key, text = await access.rotate_api_key(
            key_id,
            overlap=None if overlap_hours is None else timedelta(hours=overlap_hours),
            actor=actor(request),
        )
    except Conflict:
        return see_other("/operator/keys?problem=ended")
    old = next(each for each in await access.list_api_keys() if each.id == key_id)
    return _shown_once(request, key, text, old=old)


@router.post(
    "/operator/keys/{key_id}/revoke", dependencies=[requires(Permission.OPERATOR_MANAGE, fresh=True)]
)
async def revoke_key(request: Request, key_id: str) -> Response:
    """End a key at once."""
    await services(request).access.revoke_api_key(key_id, actor=actor(request))
    return see_other("/operator/keys?done=revoked")


def _shown_once(request: Request, key: ApiKey, text: Secret, *, old: ApiKey | None) -> Response:
    return render_operator(
        request, "console/operator_key.html", section="keys", key=key, text=text.reveal(), old=old
    )


async def _page(
    request: Request,
    *,
    done: str = "",
    problems: list[tuple[str, str]],
    typed: dict[str, object] | None = None,
    status_code: int = 200,
) -> Response:
    at = services(request)
    now = at.clock.now()
    keys = await at.access.list_api_keys()
    return render_operator(
        request,
        "console/operator_keys.html",
        section="keys",
        status_code=status_code,
        rows=[(key, _word(key, is_live=key.is_live(now))) for key in reversed(keys)],
        choices=[(each, PERMISSION_WORDS[each]) for each in PERMISSION_WORDS if each in API_PERMISSIONS],
        longest_days=API_KEY_LONGEST_LIFE.days,
        overlap_hours=f"{at.settings.api_key_overlap_hours:g}",
        done=done,
        problems=problems,
        typed=typed or {"name": "", "permission": [], "days": API_KEY_DEFAULT_LIFE.days, "networks": ""},
    )


def _word(key: ApiKey, *, is_live: bool) -> Word:
    if key.revoked_at is not None:
        return Word("Revoked", "", "cross")
    if not is_live:
        return Word("Ended", "", "clock")
    return Word("Being replaced", "warn", "clock") if key.replaced_by else Word("Works", "ok", "check")
