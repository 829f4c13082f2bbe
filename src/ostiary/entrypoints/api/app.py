"""The API's own description: OpenAPI 3.1 of the routes under ``/v1``."""

from __future__ import annotations

from typing import Any, Final, cast

import orjson
from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel

from ostiary.core.access.model import Permission
from ostiary.entrypoints.api.description import complete
from ostiary.entrypoints.api.problems import Problem
from ostiary.entrypoints.api.shapes import AnswerShape, RequestShape
from ostiary.entrypoints.web.permissions import requires

PREFIX: Final = "/v1"
_KEY_SCHEME: Final = "api_key"
_DESCRIPTION: Final = """\
Mail and calendars of the people of your customers, over Microsoft Graph or EWS, in one shape.

- Send your key as `Authorization: Bearer ost_…`.
- Times are RFC 3339 in UTC. Ids are opaque and case-sensitive.
- Lists come in pages: pass `next_cursor` back as `cursor` until it is null.
- Creating calls take an `Idempotency-Key`: repeated with the same body they do nothing twice.
- Failures are problem details (RFC 9457) with a stable `code`, and a `reason` where people can do something.
"""

router = APIRouter(prefix=PREFIX)


@router.get("/openapi.json", dependencies=[requires(Permission.PUBLIC)], include_in_schema=False)
async def describe(request: Request) -> Response:
    """Send the description of the API."""
    app = cast(FastAPI, request.app)
    known = getattr(app.state, "openapi_document", None)
    if known is None:
        known = app.state.openapi_document = orjson.dumps(openapi_document(app))
    return Response(known, media_type="application/json", headers={"Cache-Control": "no-cache"})


def openapi_document(app: FastAPI) -> dict[str, Any]:
    """Return the OpenAPI 3.1 description of every route under ``/v1``."""
    document = get_openapi(
        title="Ostiary API",
        version="1",
        openapi_version="3.1.0",
        description=_DESCRIPTION,
        routes=app.routes,
    )
    document["paths"] = {
        path: item for path, item in document["paths"].items() if path.startswith(f"{PREFIX}/")
    }
    components = document.setdefault("components", {})
    schemas: dict[str, Any] = components.setdefault("schemas", {})
    problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(problem.pop("$defs", {}))
    schemas["Problem"] = problem
    components["securitySchemes"] = {
        _KEY_SCHEME: {"type": "http", "scheme": "bearer", "description": "An API key of the instance."}
    }
    document["security"] = [{_KEY_SCHEME: []}]
    for item in document["paths"].values():
        for operation in item.values():
            # Fields that do not fit are answered with 400 and problem details, not as the framework would.
            operation["responses"].pop("422", None)
    components["schemas"] = _reachable(document, schemas)
    _restore_examples(components["schemas"])
    complete(document)
    return document


def _restore_examples(schemas: dict[str, Any]) -> None:
    """Put the shapes' examples back as written: the framework drops every null from the document."""
    waiting: list[type[BaseModel]] = [AnswerShape, RequestShape]
    while waiting:
        shape = waiting.pop()
        waiting.extend(shape.__subclasses__())
        extra = shape.model_config.get("json_schema_extra")
        if isinstance(extra, dict) and "examples" in extra and shape.__name__ in schemas:
            schemas[shape.__name__]["examples"] = extra["examples"]


def _reachable(document: dict[str, Any], schemas: dict[str, Any]) -> dict[str, Any]:
    """Return the schemas that the paths refer to, directly or not: those of pages stay out."""
    wanted: set[str] = set()
    waiting: list[Any] = [document["paths"]]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            name = str(node.get("$ref", "")).rpartition("/")[2]
            if name in schemas and name not in wanted:
                wanted.add(name)
                waiting.append(schemas[name])
            waiting.extend(node.values())
        elif isinstance(node, list):
            waiting.extend(node)
    return {name: schemas[name] for name in sorted(wanted)}
