"""Importing people from a CSV: a preview that saves nothing, then all of it or none of it."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import Query, Request
from pydantic import ConfigDict, Field

from ostiary.core.access.model import Permission
from ostiary.core.kernel.errors import InvalidRequest
from ostiary.core.organizations.people_file import COLUMNS, MOST_BYTES
from ostiary.core.organizations.people_import import ChangeKind, ImportPlan
from ostiary.entrypoints.api.problems import CHANGING
from ostiary.entrypoints.api.shapes import AnswerShape, ObjectId, RequestShape
from ostiary.entrypoints.api.strict_json import api_router
from ostiary.entrypoints.web.context import actor, services
from ostiary.entrypoints.web.permissions import requires

router = api_router("/v1/organizations/{organization_id}/members/import", tag="members")

_FILE: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "description": f"UTF-8, at most {MOST_BYTES // 1024} KB. The first line names the columns: "
        f"`email` and `name`, and where you like the others of {', '.join(f'`{each}`' for each in COLUMNS)}.",
        "content": {
            "text/csv": {
                "schema": {"type": "string"},
                "example": "id,email,name,licence\nu-1042,tom.ellis@harbourvale.example,Tom Ellis,yes\n",
            }
        },
    }
}


class LineErrorShape(AnswerShape):
    """What is wrong with one line."""

    model_config = ConfigDict(
        from_attributes=True,
        frozen=True,
        json_schema_extra={
            "examples": [{"line": 3, "column": "email", "words": "This address belongs to u-7 already."}]
        },
    )

    line: Annotated[int, Field(description="Line 1 is the header.")]
    column: str
    words: str


class PlannedChangeShape(AnswerShape):
    """One person of the file."""

    model_config = ConfigDict(
        frozen=True,
        json_schema_extra={
            "examples": [
                {
                    "line": 2,
                    "kind": "changed",
                    "external_id": "u-1042",
                    "email": "tom.ellis@harbourvale.example",
                    "display_name": "Tom Ellis",
                    "words": ["gets a licence"],
                }
            ]
        },
    )

    line: int
    kind: ChangeKind
    external_id: str
    email: str
    display_name: str
    words: Annotated[list[str], Field(description="What changes, for people to read.")]


class ImportShape(AnswerShape):
    """What an import does, or did."""

    model_config = ConfigDict(
        frozen=True,
        json_schema_extra={
            "examples": [
                {
                    "saved": False,
                    "can_apply": True,
                    "added": 0,
                    "changed": 1,
                    "same": 40,
                    "changes": [],
                    "errors": [],
                    "seats_wanted": 41,
                    "seat_count": 50,
                    "fingerprint": "0" * 64,
                }
            ]
        },
    )

    saved: bool
    can_apply: Annotated[bool, Field(description="Whether applying would work, and do anything.")]
    added: int
    changed: int
    same: int
    changes: Annotated[
        list[PlannedChangeShape], Field(description="Those added and changed, in the order of the file.")
    ]
    errors: list[LineErrorShape]
    seats_wanted: Annotated[int, Field(description="Licences in use afterwards.")]
    seat_count: Annotated[int, Field(description="0 sets no limit.")]
    fingerprint: Annotated[str, Field(description="Names exactly these changes; apply only what was shown.")]


class ApplyQuery(RequestShape):
    """What was agreed to."""

    fingerprint: Annotated[
        str | None,
        Field(
            pattern=r"^[0-9a-f]{64}$",
            description="Of the preview. With it, people who changed since make the call fail; without it, "
            "whatever the file does now is done, and sending it twice does nothing more.",
        ),
    ] = None


@router.post(
    "/preview",
    dependencies=[requires(Permission.API_MANAGE)],
    responses=CHANGING,
    openapi_extra=_FILE,
    summary="Preview an import",
    operation_id="preview_member_import",
)
async def preview_import(request: Request, organization_id: ObjectId) -> ImportShape:
    """Say what importing the file would do, with errors by line. Nothing is saved."""
    plan = await services(request).people_import.preview(
        await _file(request), organization_id=organization_id
    )
    return _shape(plan, saved=False)


@router.post(
    "/apply",
    dependencies=[requires(Permission.API_MANAGE)],
    responses=CHANGING,
    openapi_extra=_FILE,
    summary="Import people",
    operation_id="apply_member_import",
)
async def apply_import(
    request: Request, organization_id: ObjectId, query: Annotated[ApplyQuery, Query()]
) -> ImportShape:
    """Save all of it, or nothing. People are known by `id`, your own; nobody is removed."""
    plan = await services(request).people_import.apply(
        await _file(request),
        organization_id=organization_id,
        fingerprint=query.fingerprint,
        actor=actor(request),
    )
    return _shape(plan, saved=True)


async def _file(request: Request) -> bytes:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "text/csv":
        raise InvalidRequest("Send the file as it is, with Content-Type: text/csv.")
    return await request.body()


def _shape(plan: ImportPlan, *, saved: bool) -> ImportShape:
    return ImportShape(
        saved=saved,
        can_apply=plan.can_apply and not saved,
        added=len(plan.of(ChangeKind.ADDED)),
        changed=len(plan.of(ChangeKind.CHANGED)),
        same=len(plan.of(ChangeKind.SAME)),
        changes=[
            PlannedChangeShape(
                line=change.line,
                kind=change.kind,
                external_id=change.after.external_id,
                email=change.after.email,
                display_name=change.after.display_name,
                words=list(change.words),
            )
            for change in plan.of(ChangeKind.ADDED, ChangeKind.CHANGED)
        ],
        errors=[LineErrorShape.model_validate(error) for error in plan.errors],
        seats_wanted=plan.seats_wanted,
        seat_count=plan.seat_count,
        fingerprint=plan.fingerprint,
    )
