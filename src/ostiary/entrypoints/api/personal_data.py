"""Erase and export: what people may ask of whoever keeps data about them."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Request, Response
from pydantic import AwareDatetime, ConfigDict, Field

from ostiary.core.access.model import Permission
from ostiary.core.connections.erase import EraseReceipt, ErasureProgress
from ostiary.core.kernel.errors import InvalidRequest
from ostiary.core.vault.model import KeyFate
from ostiary.entrypoints.api.problems import CHANGING, READING, Responses
from ostiary.entrypoints.api.shapes import AnswerShape, ObjectId, RequestShape
from ostiary.entrypoints.api.strict_json import api_router
from ostiary.entrypoints.web.context import actor, services
from ostiary.entrypoints.web.download import export_answer
from ostiary.entrypoints.web.permissions import requires

router = api_router("/v1", tag="personal data")

_RECEIPT: dict[str, Any] = {
    "organization_id": "org_7zq4m1c9x2t8v5w0y3k6r1d4fh",
    "member_id": "mem_1c9x2t8v5w0y3k6r1d4fh7zq4m",
    "connection_id": None,
    "at": "2026-11-24T12:00:00Z",
    "erased": {"tokens": 1, "connections": 1, "members": 1},
    "keys": "kept",
    "backups_gone_by": "2026-12-29T12:00:00Z",
}
_DOCUMENT: dict[str, Any] = {
    "members": [{"id": "mem_1c9x2t8v5w0y3k6r1d4fh7zq4m", "display_name": "Tom Ellis"}]
}
_EXPORT: Responses = {
    **READING,
    200: {
        "description": "Records by kind.",
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "additionalProperties": {
                        "type": "array",
                        "items": {"type": "object", "additionalProperties": True},
                    },
                    "examples": [_DOCUMENT],
                }
            }
        },
    },
}


class Confirmation(RequestShape):
    """Proof that this, and nothing else, is meant."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, json_schema_extra={"examples": [{"confirm": "u-1042"}]}
    )

    confirm: Annotated[
        str,
        Field(
            max_length=400,
            description="`external_id` of the customer or person, or the address of the mailbox, exactly.",
        ),
    ]


class EraseReceiptShape(AnswerShape):
    """What was erased. It names no person."""

    model_config = ConfigDict(frozen=True, json_schema_extra={"examples": [_RECEIPT]})

    organization_id: str
    member_id: str | None
    connection_id: str | None
    at: AwareDatetime
    erased: Annotated[dict[str, int], Field(description="How many records of each kind.")]
    keys: Annotated[
        KeyFate, Field(description="What became of the customer's keys; without them backups open nothing.")
    ]
    backups_gone_by: Annotated[
        AwareDatetime, Field(description="Backups may hold what was erased until then at the latest.")
    ]


class ErasureShape(AnswerShape):
    """How far the erasure of a customer has come."""

    model_config = ConfigDict(
        frozen=True,
        json_schema_extra={
            "examples": [
                {
                    "organization_id": "org_7zq4m1c9x2t8v5w0y3k6r1d4fh",
                    "started_at": "2026-11-24T12:00:00Z",
                    "done": True,
                    "receipt": {
                        **_RECEIPT,
                        "member_id": None,
                        "erased": {"tokens": 40, "members": 50, "organizations": 1},
                        "keys": "destroyed",
                    },
                }
            ]
        },
    )

    organization_id: str
    started_at: AwareDatetime
    done: Annotated[bool, Field(description="While false the tokens are gone already, and the rest follows.")]
    receipt: EraseReceiptShape | None


@router.get(
    "/organizations/{organization_id}/export",
    dependencies=[requires(Permission.API_MANAGE)],
    responses=_EXPORT,
    summary="Export a customer",
    operation_id="export_organization",
)
async def export_organization(request: Request, organization_id: ObjectId) -> Response:
    """Everything stored about a customer and its people. Never a token or a secret."""
    at = services(request)
    rows = at.export.rows(organization_id, actor=actor(request))
    return await export_answer(rows, file_name=f"{organization_id}.json")


@router.get(
    "/organizations/{organization_id}/members/{member_id}/export",
    dependencies=[requires(Permission.API_MANAGE)],
    responses=_EXPORT,
    summary="Export a person",
    operation_id="export_member",
)
async def export_member(request: Request, organization_id: ObjectId, member_id: ObjectId) -> Response:
    """Everything stored about one person. Never a token or a secret."""
    rows = services(request).export.rows(organization_id, member_id=member_id, actor=actor(request))
    return await export_answer(rows, file_name=f"{member_id}.json")


@router.get(
    "/connections/{connection_id}/export",
    dependencies=[requires(Permission.API_MANAGE)],
    responses=_EXPORT,
    summary="Export a mailbox",
    operation_id="export_connection",
)
async def export_connection(request: Request, connection_id: ObjectId) -> Response:
    """Everything stored about one connected mailbox. Never a token or a secret."""
    at = services(request)
    connection = await at.connections.get(connection_id, organization_id=None)
    rows = at.export.rows(connection.organization_id, connection_id=connection.id, actor=actor(request))
    return await export_answer(rows, file_name=f"{connection.id}.json")


@router.post(
    "/organizations/{organization_id}/erase",
    dependencies=[requires(Permission.API_MANAGE)],
    status_code=202,
    responses=CHANGING,
    summary="Erase a customer",
    operation_id="erase_organization",
)
async def erase_organization(
    request: Request, organization_id: ObjectId, confirmation: Confirmation
) -> ErasureShape:
    """Destroy the tokens of a customer now, then its keys and all data about it and its people, for good."""
    at = services(request)
    organization = await at.organizations.get(organization_id)
    _require(confirmation, organization.external_id)
    return _erasure(await at.erasure.begin_organization(organization.id, actor=actor(request)))


@router.get(
    "/erasures/{organization_id}",
    dependencies=[requires(Permission.API_READ)],
    responses=READING,
    summary="Look at an erasure",
    operation_id="get_erasure",
)
async def get_erasure(request: Request, organization_id: ObjectId) -> ErasureShape:
    """How far the erasure of a customer has come; the receipt stays readable when the customer is gone."""
    return _erasure(await services(request).erasure.progress(organization_id))


@router.post(
    "/organizations/{organization_id}/members/{member_id}/erase",
    dependencies=[requires(Permission.API_MANAGE)],
    responses=CHANGING,
    summary="Erase a person",
    operation_id="erase_member",
)
async def erase_member(
    request: Request, organization_id: ObjectId, member_id: ObjectId, confirmation: Confirmation
) -> EraseReceiptShape:
    """Destroy the tokens of everything a person connected, and delete what is known of them, for good."""
    at = services(request)
    member = await at.organizations.get_member(member_id, organization_id=organization_id)
    _require(confirmation, member.external_id)
    return _receipt(
        await at.erasure.erase_member(member.id, organization_id=organization_id, actor=actor(request))
    )


@router.post(
    "/connections/{connection_id}/erase",
    dependencies=[requires(Permission.API_MANAGE)],
    responses=CHANGING,
    summary="Erase a mailbox",
    operation_id="erase_connection",
)
async def erase_connection(
    request: Request, connection_id: ObjectId, confirmation: Confirmation
) -> EraseReceiptShape:
    """Destroy the tokens of one mailbox and delete what is known of it, for good. Its person stays."""
    at = services(request)
    connection = await at.connections.get(connection_id, organization_id=None)
    _require(confirmation, connection.address)
    return _receipt(
        await at.erasure.erase_connection(connection.id, organization_id=None, actor=actor(request))
    )


def _require(confirmation: Confirmation, expected: str) -> None:
    if confirmation.confirm != expected:
        raise InvalidRequest("Nothing was erased: this confirms something else.", field="confirm")


def _receipt(receipt: EraseReceipt) -> EraseReceiptShape:
    return EraseReceiptShape(
        organization_id=receipt.organization_id,
        member_id=receipt.member_id,
        connection_id=receipt.connection_id,
        at=receipt.at,
        erased={kind: count for kind, count in receipt.rows.items() if count},
        keys=receipt.keys,
        backups_gone_by=receipt.backups_gone_by,
    )


def _erasure(progress: ErasureProgress) -> ErasureShape:
    return ErasureShape(
        organization_id=progress.organization_id,
        started_at=progress.started_at,
        done=progress.receipt is not None,
        receipt=None if progress.receipt is None else _receipt(progress.receipt),
    )
