"""When the app's own credentials end."""

from __future__ import annotations

import asyncio
from typing import Annotated, Literal

from fastapi import Request
from pydantic import AwareDatetime, ConfigDict, Field

from ostiary.bootstrap import credential_facts
from ostiary.core.access.model import Permission
from ostiary.entrypoints.api.problems import READING
from ostiary.entrypoints.api.shapes import AnswerShape, PageShape
from ostiary.entrypoints.api.strict_json import api_router
from ostiary.entrypoints.web.context import services
from ostiary.entrypoints.web.permissions import requires

router = api_router("/v1/credentials", tag="credentials")


class CredentialShape(AnswerShape):
    """One credential of an app registration. Never the credential itself."""

    model_config = ConfigDict(
        frozen=True,
        json_schema_extra={
            "examples": [
                {
                    "registration_id": "main",
                    "client_id": "4f6c1d0e-7b52-4c1b-9a55-20d1b6f0c3aa",
                    "kind": "certificate",
                    "is_previous": False,
                    "expires_at": "2027-06-01T00:00:00Z",
                    "days_left": 188,
                    "thumbprint": "5F1C0A9E4B7D23886A10C4E2F9B35D7710AA44C1",
                }
            ]
        },
    )

    registration_id: str
    client_id: str
    kind: Literal["certificate", "secret"]
    is_previous: Annotated[bool, Field(description="The older of two that both work.")]
    expires_at: Annotated[
        AwareDatetime | None, Field(description="Null for a secret: only Microsoft knows its end.")
    ]
    days_left: Annotated[int | None, Field(description="Negative once it has ended.")]
    thumbprint: str | None


@router.get(
    "",
    dependencies=[requires(Permission.API_READ)],
    responses=READING,
    summary="List credentials",
    operation_id="list_credentials",
)
async def list_credentials(request: Request) -> PageShape[CredentialShape]:
    """Certificates and secrets that this instance signs in to Microsoft with, and how long each lasts."""
    at = services(request)
    now = at.clock.now()
    client_ids = {registration.id: registration.client_id for registration in at.registrations}
    return PageShape(
        items=[
            CredentialShape(
                registration_id=fact.registration_id,
                client_id=client_ids.get(fact.registration_id, ""),
                kind="certificate" if fact.kind == "certificate" else "secret",
                is_previous=fact.is_previous,
                expires_at=fact.expires_at,
                days_left=fact.days_left(now),
                thumbprint=fact.thumbprint,
            )
            for fact in await asyncio.to_thread(credential_facts, at.settings)
        ]
    )
