"""The OpenAPI description is true: of its examples, of its failures, and of what a fuzzer finds."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI
from jsonschema_rs import validator_for

from ostiary.bootstrap import Services
from ostiary.core.access.model import API_PERMISSIONS
from ostiary.core.audit.model import SYSTEM
from ostiary.core.kernel.errors import OstiaryError
from ostiary.entrypoints.api.app import openapi_document
from ostiary.entrypoints.api.problems import Problem
from ostiary.entrypoints.web.app import create_app

from ..api_fuzzing import Fuzzer, closed

TRIES_PER_OPERATION = 3
"""A taste; `make fuzz-api` takes its time, as every kind of caller."""
METHODS = ("get", "post", "put", "patch", "delete")


@pytest.fixture
def web(app: Services) -> FastAPI:
    return create_app(app)


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        for method in METHODS:
            if method in item:
                yield method, path, item[method]


async def test_description_is_served_to_anybody(web: FastAPI, app: Services) -> None:
    transport = httpx.ASGITransport(app=web)
    async with httpx.AsyncClient(transport=transport, base_url=app.settings.public_url) as client:
        answer = await client.get("/v1/openapi.json")

    document = answer.json()
    assert answer.status_code == 200
    assert document["openapi"].startswith("3.1")
    assert document == openapi_document(web)


async def test_description_holds_the_api_and_no_pages(web: FastAPI) -> None:
    document = openapi_document(web)
    paths = set(document["paths"])

    assert paths >= {
        "/v1/organizations",
        "/v1/organizations/{organization_id}/members",
        "/v1/organizations/{organization_id}/tenants",
        "/v1/organizations/{organization_id}/consents",
        "/v1/organizations/{organization_id}/admin-consent-links",
        "/v1/audit",
        "/v1/connections/{connection_id}/folders",
        "/v1/connections/{connection_id}/messages",
        "/v1/connections/{connection_id}/messages/{message_id}",
        "/v1/connections/{connection_id}/calendars",
        "/v1/connections/{connection_id}/events",
    }
    assert all(path.startswith("/v1/") for path in paths)
    assert not any("HTTPValidationError" in name for name in document["components"]["schemas"])


async def test_every_call_is_named_explained_and_documents_its_failures(web: FastAPI) -> None:
    names: list[str] = []
    for method, path, operation in operations(openapi_document(web)):
        names.append(operation["operationId"])
        assert operation["summary"], (method, path)
        assert operation["description"], (method, path)
        assert {"400", "401", "403", "429", "500", "503"} <= set(operation["responses"]), (method, path)
        for parameter in operation.get("parameters", ()):
            assert parameter["description"], (method, path, parameter["name"])
        for status, response in operation["responses"].items():
            if int(status) >= 400:
                assert set(response["content"]) == {"application/problem+json"}, (method, path, status)
    assert len(set(names)) == len(names)


async def test_every_creating_call_takes_an_idempotency_key(web: FastAPI) -> None:
    creating = [
        (path, operation)
        for method, path, operation in operations(openapi_document(web))
        if method == "post" and "201" in operation["responses"]
    ]

    assert len(creating) >= 3
    for path, operation in creating:
        headers = {each["name"] for each in operation.get("parameters", ()) if each["in"] == "header"}
        assert "Idempotency-Key" in headers, path


async def test_every_example_fits_its_own_schema(web: FastAPI) -> None:
    document = openapi_document(web)
    checked = 0
    for name, schema in document["components"]["schemas"].items():
        for example in schema.get("examples", ()):
            whole = {"$ref": f"#/components/schemas/{name}", "components": document["components"]}
            errors = [str(error) for error in validator_for(whole).iter_errors(example)]
            assert errors == [], name
            checked += 1

    assert checked >= 10


async def test_every_body_and_every_answer_has_an_example(web: FastAPI) -> None:
    document = openapi_document(web)
    for method, path, operation in operations(document):
        good = [each for status, each in operation["responses"].items() if int(status) < 300]
        for part in (*good, operation.get("requestBody", {})):
            for media, described in part.get("content", {}).items():
                # A file is bytes.
                if media == "application/octet-stream":
                    continue
                schema = described["schema"]
                name = schema.get("$ref", "").rpartition("/")[2]
                shape = document["components"]["schemas"][name] if name else schema
                assert shape.get("examples") or described.get("example"), (method, path)


def test_a_field_that_is_not_declared_breaks_the_closed_description() -> None:
    shape = {
        "type": "object",
        "properties": {"id": {"type": "string"}, "of": {"$ref": "#/components/schemas/B"}},
    }
    inner = {"type": "object", "properties": {"n": {"type": "integer"}}}
    document = closed({"components": {"schemas": {"A": shape, "B": inner}}})
    judge = validator_for({"$ref": "#/components/schemas/A", **document})
    assert judge.is_valid({"id": "x", "of": {"n": 1}})
    assert not judge.is_valid({"id": "x", "secret": "y"})
    assert not judge.is_valid({"id": "x", "of": {"n": 1, "m": 2}})


async def test_every_request_shape_refuses_unknown_fields(web: FastAPI) -> None:
    document = openapi_document(web)
    schemas = document["components"]["schemas"]
    for method, path, operation in operations(document):
        body = operation.get("requestBody")
        # A file has lines or bytes, not fields.
        if body is None or set(body["content"]) <= {"text/csv", "application/octet-stream"}:
            continue
        reference = body["content"]["application/json"]["schema"]["$ref"]
        assert schemas[reference.rpartition("/")[2]]["additionalProperties"] is False, (method, path)


async def test_failures_have_the_documented_shape(web: FastAPI, app: Services) -> None:
    transport = httpx.ASGITransport(app=web)
    async with httpx.AsyncClient(transport=transport, base_url=app.settings.public_url) as client:
        answer = await client.get("/v1/organizations")

    assert set(answer.json()) <= set(Problem.model_fields)
    assert Problem.model_validate(answer.json()).status == 401


def documented() -> str:
    return (Path(__file__).parents[2] / "docs" / "reference" / "api.md").read_text()


async def test_reference_page_names_every_call_with_its_permission(web: FastAPI) -> None:
    page = documented()
    permissions = web.state.permissions
    for method, path, _ in operations(openapi_document(web)):
        permission = permissions[(method.upper(), path)]
        assert f"| `{method.upper()} {path}` | `{permission}` |" in page, (method, path, permission)
    listed = re.findall(r"^\| `([A-Z]+) (/v1[^`]*)` \|", page, re.MULTILINE)
    known = {(method.upper(), path) for method, path, _ in operations(openapi_document(web))}
    assert set(listed) == known


def test_reference_page_names_every_error_code_of_the_kernel() -> None:
    page = documented()

    def codes(kind: type[OstiaryError]) -> set[str]:
        return {kind.code}.union(*(codes(each) for each in kind.__subclasses__()))

    # The base class is never raised, and the others happen on pages or inside.
    beside_the_api = {
        "error",
        "seal_broken",
        "request_closed",
        "mail_refused",
        "opening_refused",
        "overtaken",
    }
    missing = {code for code in codes(OstiaryError) - beside_the_api if f"`{code}`" not in page}
    assert missing == set()


@pytest_asyncio.fixture
async def api_key(app: Services) -> str:
    _, key = await app.access.create_api_key(name="Fuzzer", permissions=API_PERMISSIONS, actor=SYSTEM)
    return key.reveal()


@pytest.mark.timeout(300)
async def test_fuzzer_finds_no_server_error_and_no_undeclared_answer(
    site: str, web: FastAPI, api_key: str
) -> None:
    fuzzer = Fuzzer(openapi_document(web), site, {"Authorization": f"Bearer {api_key}"})
    tried = 0
    for operation in fuzzer.operations():
        # The server runs in this very loop, so the fuzzer has to run beside it.
        await asyncio.to_thread(fuzzer.try_out, operation, times=TRIES_PER_OPERATION)
        tried += 1
    assert tried == sum(1 for _ in operations(fuzzer.document))
    assert fuzzer.answered[200] >= 10, "it gets past the door"
