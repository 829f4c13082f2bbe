"""The master category list."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from m365_emulator.world.mailbox import Category

from .access import SETTINGS_READ, SETTINGS_WRITE
from .call import Call, Reply
from .errors import GraphError, not_found
from .inputs.values import choice_of, member, text_of
from .operations import Operations

operations = Operations()
COLORS = ("none", *(f"preset{number}" for number in range(25)))


@operations.get("/{mailbox}/outlook/masterCategories", SETTINGS_READ)
def list_categories(call: Call) -> Reply:
    """List the categories of the mailbox."""
    value = [_json(one) for one in call.mailbox.categories]
    return Reply(json={"@odata.context": call.context("outlook/masterCategories"), "value": value})


@operations.get("/{mailbox}/outlook/masterCategories/{category}", SETTINGS_READ)
def get(call: Call) -> Reply:
    """Return one category."""
    return _reply(call, _find(call))


@operations.post("/{mailbox}/outlook/masterCategories", SETTINGS_WRITE)
def create(call: Call) -> Reply:
    """Add a category; names are unique."""
    body = call.json()
    name = text_of(member(body, "displayName"), "displayName", limit=255)
    if not name:
        raise GraphError(400, "ErrorRequiredPropertyMissing", "Required property is missing: displayName.")
    if any(one.name.casefold() == name.casefold() for one in call.mailbox.categories):
        raise GraphError(409, "ErrorCategoryExists", "A category with this name already exists.")
    color = choice_of(member(body, "color") or "none", "color", COLORS)
    category = Category(str(UUID(bytes=call.mailbox.random_key(), version=4)), name, color)
    call.mailbox.categories.append(category)
    return _reply(call, category, 201)


@operations.patch("/{mailbox}/outlook/masterCategories/{category}", SETTINGS_WRITE)
def update(call: Call) -> Reply:
    """Give a category another colour; its name stays."""
    category = _find(call)
    category.color = choice_of(member(call.json(), "color"), "color", COLORS)
    return _reply(call, category)


@operations.delete("/{mailbox}/outlook/masterCategories/{category}", SETTINGS_WRITE)
def delete(call: Call) -> Reply:
    """Take a category off the list; items keep its name."""
    call.mailbox.categories.remove(_find(call))
    return Reply(204)


def _find(call: Call) -> Category:
    wanted = call.arguments["category"].lower()
    found = next((one for one in call.mailbox.categories if one.id == wanted), None)
    if found is None:
        raise not_found()
    return found


def _json(category: Category) -> dict[str, Any]:
    return {"id": category.id, "displayName": category.name, "color": category.color}


def _reply(call: Call, category: Category, status: int = 200) -> Reply:
    return Reply(
        status, {"@odata.context": f"{call.context('outlook/masterCategories')}/$entity", **_json(category)}
    )
