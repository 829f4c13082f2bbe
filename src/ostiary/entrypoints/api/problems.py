"""Problem details (RFC 9457) as the API documents them. ``web/errors.py`` writes them; a test pins both together."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field


class FieldProblem(BaseModel):
    """One field that does not fit."""

    field: str
    problem: str | None = None


class Problem(BaseModel):
    """Every failure of the API has this shape."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "type": "about:blank",
                    "title": "Something changed in the meantime",
                    "status": 409,
                    "detail": "The person has to sign in again.",
                    "code": "reauthorization_required",
                    "reason": "sign_in_needed",
                    "ref": "CO-9D1M-7VHE",
                    "request_id": "RQ-5H2R-9WTB-0KQM",
                }
            ]
        }
    )

    type: str
    title: Annotated[str, Field(description="What kind of failure, for people.")]
    status: int
    detail: Annotated[str, Field(description="What happened, for people; may change.")]
    code: Annotated[str, Field(description="What kind of failure, for programs; stable.")]
    request_id: Annotated[str, Field(description="Finds the request in the log; also in `X-Request-Id`.")]
    reason: Annotated[
        str | None,
        Field(description="Reason id, the same word as on pages and in the CLI: `ostiary explain {reason}`."),
    ] = None
    ref: Annotated[str | None, Field(description="Reference a person can read out to support.")] = None
    errors: Annotated[list[FieldProblem] | None, Field(description="Fields that do not fit.")] = None


_MEANINGS = {
    400: "A field or the query does not fit.",
    401: "No key, or one that is not good (any more).",
    403: "The key may not do this.",
    404: "No such object, or none of yours.",
    409: "The state of things does not allow it: see `reason` and `code`.",
    412: "The object changed since the version in `If-Match`: read it again.",
    410: "What follows the cursor is no longer kept: begin anew.",
    413: "The body is too large.",
    429: "You call too often: wait `Retry-After` seconds.",
    500: "We failed; whoever runs the instance finds it by `request_id`.",
    502: "Microsoft answered something we do not understand.",
    503: "Microsoft or a part of ours does not answer, or Microsoft slows us down: wait `Retry-After` seconds.",
}

Responses = dict[int | str, dict[str, Any]]


def problem_responses(*statuses: int) -> Responses:
    """Return the documented failures of a route, for ``responses=``."""
    return {
        status: {
            "description": _MEANINGS[status],
            "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for status in statuses
    }


READING: Responses = problem_responses(400, 401, 403, 404, 429)
CHANGING: Responses = problem_responses(400, 401, 403, 404, 409, 413, 429)
MAILBOX: Responses = problem_responses(400, 401, 403, 404, 409, 429, 502, 503)
MAILBOX_CHANGING: Responses = problem_responses(400, 401, 403, 404, 409, 412, 413, 429, 502, 503)
