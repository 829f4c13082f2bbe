"""No answer of the API and no export has a place for a token or a credential of the app (SR-41)."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterator
from typing import Any, cast

from fastapi import APIRouter, FastAPI

from ostiary.adapters.sql.personal_records import every_rule
from ostiary.adapters.sql.row_security import TOKEN_TABLES
from ostiary.entrypoints import api
from ostiary.entrypoints.api.app import openapi_document

FORBIDDEN = re.compile(
    r"refresh.?token|access.?token|id.?token|cipher|wrapped|client.?secret|client.?assertion|private.?key",
    re.I,
)


def names(node: Any) -> Iterator[str]:
    """Every name of a field in a description, however deep."""
    if isinstance(node, dict):
        known = cast("dict[str, Any]", node)
        properties = known.get("properties")
        if isinstance(properties, dict):
            yield from cast("dict[str, Any]", properties)
        for value in known.values():
            yield from names(value)
    elif isinstance(node, list):
        for value in cast("list[Any]", node):
            yield from names(value)


def document() -> dict[str, Any]:
    """The description of the API, from its routers alone: no service runs."""
    app = FastAPI(openapi_url=None)
    for module in pkgutil.iter_modules(api.__path__):
        router = getattr(importlib.import_module(f"{api.__name__}.{module.name}"), "router", None)
        if isinstance(router, APIRouter):
            app.include_router(router)
    return openapi_document(app)


def test_no_field_of_the_api_can_hold_a_token_or_a_credential() -> None:
    found = set(names(document()))
    assert {"status", "organization_id", "reason"} <= found
    assert {name for name in found if FORBIDDEN.search(name)} == set()


def test_no_table_with_sealed_tokens_is_exported() -> None:
    exported = {rule.table.name for rule in every_rule() if rule.is_exported}
    assert {rule.table.name for rule in every_rule() if rule.is_token} == set(TOKEN_TABLES)
    assert exported & set(TOKEN_TABLES) == set()
