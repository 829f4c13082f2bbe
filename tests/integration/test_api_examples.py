"""Every example of the API's description is sent to a running instance, and every answer is what it declares."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest_asyncio
from jsonschema_rs import Validator, validator_for

from ostiary.bootstrap import Services
from ostiary.core.access.model import API_PERMISSIONS
from ostiary.core.audit.model import SYSTEM
from ostiary.entrypoints.api.app import openapi_document
from ostiary.entrypoints.web.app import create_app

from ..api_fuzzing import closed
from .api_world import known_values
from .connect_world import RETURN_URL, TOM, Company, Emulator, make_company

CONFIRM = ("POST", "/v1/connect-sessions/{session_id}/confirm")
"""Its example is a code that was used up long ago."""

NEEDS_MORE = {
    CONFIRM,
    ("GET", "/v1/connections/{connection_id}/events/{event_id}/series"),
    ("GET", "/v1/connections/{connection_id}/messages/{message_id}/attachments/{attachment_id}"),
    ("DELETE", "/v1/connections/{connection_id}/messages/{message_id}/attachments/{attachment_id}"),
    ("GET", "/v1/erasures/{organization_id}"),
    ("GET", "/v1/webhook-deliveries/{delivery_id}"),
    ("POST", "/v1/webhook-deliveries/{delivery_id}/replay"),
    ("POST", "/v1/webhook-endpoints/{endpoint_id}/verify"),
    ("POST", "/v1/connections/{connection_id}/events/{event_id}/respond"),
    ("POST", "/v1/connections/{connection_id}/messages/{message_id}/send"),
    ("POST", "/v1/connections/{connection_id}/send"),
    ("POST", "/v1/organizations/{organization_id}/members/import/apply"),
    ("POST", "/v1/freezes/lift"),
    ("POST", "/v1/freezes"),
    ("POST", "/v1/connections/{connection_id}/pause"),
}
"""Refused in this world, by what is there: no file, no series, no draft, no delivery,
no preview of just these people; an endpoint that nobody serves."""

Example = tuple[str, str, str | None, Any]
"""Method, path, media type and body."""


@pytest_asyncio.fixture
async def company(app: Services, client: httpx.AsyncClient, site: str, emulator: Emulator) -> Company:
    company = await make_company(app, client, site, emulator)
    await company.approve()
    await company.confirm(await company.go())
    return company


def examples(document: dict[str, Any]) -> Iterator[Example]:
    """Yield every example of a request; a call without a body is one by itself."""
    for path, item in document["paths"].items():
        for method, operation in item.items():
            content = operation.get("requestBody", {}).get("content")
            if content is None:
                yield method.upper(), path, None, None
                continue
            for media, described in content.items():
                alone = [described["example"]] if "example" in described else []
                for body in alone or shape_of(described, document).get("examples", ()):
                    yield method.upper(), path, media, body


def shape_of(described: dict[str, Any], document: dict[str, Any]) -> dict[str, Any]:
    schema = described["schema"]
    if "$ref" in schema:
        return document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return schema


def query_of(operation: dict[str, Any]) -> dict[str, Any]:
    """Return the examples of the parameters in the address."""
    found: dict[str, Any] = {}
    for each in operation.get("parameters", ()):
        given = each.get("schema", {}).get("examples") or ([each["example"]] if "example" in each else [])
        if each["in"] == "query" and given:
            found[each["name"]] = given[0]
    return found


def declared(operation: dict[str, Any], status: int, document: dict[str, Any]) -> Validator | None:
    """Return what judges an answer of this status; None where it has no JSON."""
    content = operation["responses"][str(status)].get("content", {})
    described = content.get("application/json") or content.get("application/problem+json")
    if described is None:
        return None
    return validator_for({**described["schema"], "components": document["components"]})


async def test_every_example_is_accepted_and_answered_as_declared(
    company: Company, client: httpx.AsyncClient, site: str
) -> None:
    app = company.app
    document = closed(openapi_document(create_app(app)))
    _, key = await app.access.create_api_key(name="App", permissions=API_PERMISSIONS, actor=SYSTEM)
    (connection,) = [each for each in await company.connections() if each.status.value == "connected"]
    known = await known_values(app, client, site, connection.id, key.reveal())
    headers = {"Authorization": f"Bearer {key.reveal()}"}
    statuses: dict[tuple[str, str], int] = {}
    wrong: list[str] = []
    # What ends something comes last, and what freezes everything after all.
    endings = ("/erase", "/disconnect", "/pause", "/freezes")
    for method, path, media, body in sorted(
        examples(document),
        key=lambda each: (each[1].endswith(endings), each[0] == "DELETE", each[0] != "GET", each[1]),
    ):
        operation = document["paths"][path][method.lower()]
        address = re.sub(r"\{(\w+)\}", lambda match: known.get(match[1], ("none",))[0], path)
        content = (
            None if body is None else body if isinstance(body, str) else json.dumps(real(path, body, known))
        )
        answer = await client.request(
            method,
            f"{site}{address}",
            params=query_of(operation),
            content=content,
            headers={**headers, **({} if media is None else {"Content-Type": media})},
        )
        where = f"{method} {path} {body}: {answer.status_code} {answer.text[:500]}"
        if (answer.status_code == 400 and (method, path) != CONFIRM) or answer.status_code >= 500:
            wrong.append(where)
        judge = declared(operation, answer.status_code, document)
        if judge is not None:
            wrong += [f"{where}: {error}" for error in judge.iter_errors(answer.json())]
        statuses[method, path] = answer.status_code
    assert wrong == []
    refused = {where for where, status in statuses.items() if status >= 400}
    assert refused <= NEEDS_MORE, statuses


def real(path: str, body: Any, known: dict[str, tuple[str, ...]]) -> Any:
    """Return a body that names objects that exist."""
    if not isinstance(body, dict):
        return body
    named = {name: values[0] for name, values in known.items() if name.endswith("_id")}
    named["return_url"] = RETURN_URL
    if path.endswith("/erase"):
        # Whoever erases types what it is.
        named["confirm"] = TOM if "connection_id" in path else "u1" if "member_id" in path else "hv"
    return {name: named.get(name, value) for name, value in body.items()}
