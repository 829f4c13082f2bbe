"""The kill switch on the operator's pages: what is frozen, freeze more, lift (SR-50)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

from fastapi import APIRouter, Form, Query, Request, Response

from ostiary.core.access.model import Permission
from ostiary.core.connections.freeze import LONGEST_NOTE, LOOK_AGAIN, FreezeScope
from ostiary.core.kernel.errors import NotFound
from ostiary.core.kernel.ids import parse_reference
from ostiary.entrypoints.console.shell import render_operator
from ostiary.entrypoints.web.context import actor, services
from ostiary.entrypoints.web.permissions import requires
from ostiary.entrypoints.web.templates import see_other

if TYPE_CHECKING:
    from ostiary.bootstrap import Services

router = APIRouter(include_in_schema=False)

EVERYTHING: Final = "everything"
"""What to type to freeze the whole instance."""

SCOPE_WORDS: Final = {
    FreezeScope.INSTANCE: "Everything",
    FreezeScope.ORGANIZATION: "Customer",
    FreezeScope.CONNECTION: "Connection",
}


@router.get("/operator/freezes", dependencies=[requires(Permission.OPERATOR_READ)])
async def show_freezes(request: Request) -> Response:
    """List what is frozen, and offer to freeze more."""
    return await _list(request)


@router.get("/operator/freezes/new", dependencies=[requires(Permission.OPERATOR_MANAGE)])
async def show_new(request: Request, target: Annotated[str, Query(max_length=130)] = "") -> Response:
    """Say what freezing this target does, and ask for its name."""
    try:
        scope, target_id = await _resolve(services(request), target)
    except NotFound:
        return await _list(request, target=target, status_code=404)
    return await _confirm(request, scope, target_id)


@router.post("/operator/freezes", dependencies=[requires(Permission.OPERATOR_MANAGE, fresh=True)])
async def freeze(
    request: Request,
    scope: Annotated[FreezeScope, Form()],
    target_id: Annotated[str, Form(max_length=64)] = "",
    note: Annotated[str, Form(max_length=LONGEST_NOTE)] = "",
    typed: Annotated[str, Form(max_length=400)] = "",
) -> Response:
    """Freeze, once the name was typed. What is frozen already stays so."""
    expected = await _word(services(request), scope, target_id)
    if typed.strip().casefold() != expected.casefold():
        return await _confirm(request, scope, target_id, note=note, typed=typed, status_code=400)
    await services(request).freezes.freeze(scope, target_id, note=note.strip(), actor=actor(request))
    return see_other("/operator/freezes?done=frozen")


@router.post("/operator/freezes/lift", dependencies=[requires(Permission.OPERATOR_MANAGE, fresh=True)])
async def lift(
    request: Request,
    scope: Annotated[FreezeScope, Form()],
    target_id: Annotated[str, Form(max_length=64)] = "",
) -> Response:
    """Let tokens be used again."""
    await services(request).freezes.unfreeze(scope, target_id, actor=actor(request))
    return see_other("/operator/freezes?done=lifted")


async def _list(request: Request, *, target: str | None = None, status_code: int = 200) -> Response:
    return render_operator(
        request,
        "console/operator_freezes.html",
        section="freezes",
        status_code=status_code,
        items=await services(request).freezes.list_named(),
        scope_words=SCOPE_WORDS,
        done=request.query_params.get("done"),
        target=target or "",
        problems=[] if target is None else [("target", f"Nothing here is called “{target}”.")],
        seconds=round(LOOK_AGAIN.total_seconds()),
    )


async def _confirm(
    request: Request,
    scope: FreezeScope,
    target_id: str,
    *,
    note: str = "",
    typed: str | None = None,
    status_code: int = 200,
) -> Response:
    word = await _word(services(request), scope, target_id)
    return render_operator(
        request,
        "console/operator_freeze.html",
        section="freezes",
        status_code=status_code,
        scope=scope,
        target_id=target_id,
        word=word,
        note=note,
        typed=typed,
        longest_note=LONGEST_NOTE,
    )


async def _word(at: Services, scope: FreezeScope, target_id: str) -> str:
    """What a person types to confirm."""
    return EVERYTHING if scope is FreezeScope.INSTANCE else await at.freezes.name_of(scope, target_id)


async def _resolve(at: Services, text: str) -> tuple[FreezeScope, str]:
    """Find what an operator means: everything, a connection's reference or id, a customer's id (theirs or ours)."""
    wanted = text.strip()
    if wanted.casefold() == EVERYTHING:
        return FreezeScope.INSTANCE, ""
    reference = parse_reference(wanted)
    if reference is not None:
        async with at.transactions() as transaction:
            connection = await transaction.connections.find_by_reference(reference)
        if connection is not None:
            return FreezeScope.CONNECTION, connection.id
    try:
        return FreezeScope.ORGANIZATION, (await at.organizations.resolve(wanted)).id
    except NotFound:
        return FreezeScope.CONNECTION, (await at.connections.get(wanted, organization_id=None)).id
