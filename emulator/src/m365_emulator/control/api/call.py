"""One call of the control API: read its JSON, find what it names, answer its errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

import orjson
from starlette.requests import Request
from starlette.responses import Response

from m365_emulator.world.apps import AppRegistration
from m365_emulator.world.seed.builder import SeedError
from m365_emulator.world.snapshot import SnapshotError
from m365_emulator.world.tenants import Tenant, User

if TYPE_CHECKING:
    from m365_emulator.world.world import World

MAX_BODY_BYTES = 1_048_576
Body = dict[str, Any]
Handler = Callable[["World", Request, Body], Any]


class BadRequest(Exception):
    """The control request is wrong; its message says how."""


class NotFound(Exception):
    """There is no such thing in the world."""


async def answer(world: World, request: Request, handler: Handler) -> Response:
    try:
        body = await _read_json(request)
        content, status = handler(world, request, body), 200
    except BadRequest as error:
        content, status = {"error": str(error)}, 400
    except (SeedError, SnapshotError) as error:
        content, status = {"error": str(error)}, 400
    except NotFound as error:
        content, status = {"error": str(error)}, 404
    return Response(
        orjson.dumps(content, default=_plain), status, {"cache-control": "no-store"}, "application/json"
    )


def _plain(value: object) -> object:
    if isinstance(value, set | frozenset):
        return sorted(cast("set[str]", value))
    raise TypeError


async def _read_json(request: Request) -> Body:
    if request.method == "GET":
        return {}
    body = await request.body()
    if len(body) > MAX_BODY_BYTES:
        raise BadRequest("The body is too large.")
    if not body:
        # A page of another site can send an empty POST without asking; it changes nothing then.
        refuse_foreign_origin(request)
        return {}
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise BadRequest("The body must be application/json.")
    try:
        parsed: object = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise BadRequest("The body is not JSON.") from None
    if not isinstance(parsed, dict):
        raise BadRequest("The body must be a JSON object.")
    return cast("Body", parsed)


def refuse_foreign_origin(request: Request) -> None:
    origin = request.headers.get("origin")
    if origin and urlsplit(origin).netloc != request.headers.get("host"):
        raise BadRequest("The control API does not take orders from other sites.")


def named_tenant(world: World, request: Request) -> Tenant:
    name = request.path_params["tenant"]
    tenant = world.find_tenant(name)
    if tenant is None:
        raise NotFound(f"There is no tenant {name}.")
    return tenant


def named_user(world: World, request: Request) -> User:
    name = str(request.path_params["user"])
    user = world.find_user(name)
    if user is None:
        deleted = (
            u for t in world.tenants for u in t.users if u.oid == name.lower() or name.lower() in u.addresses
        )
        user = next(deleted, None)
    if user is None:
        raise NotFound(f"There is no user {name}.")
    return user


def named_app(world: World, request: Request) -> AppRegistration:
    app = world.apps.get(request.path_params["app_id"].lower())
    if app is None:
        raise NotFound(f"There is no app {request.path_params['app_id']}.")
    return app


def text_of(body: Body, name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not value:
        raise BadRequest(f"'{name}' must be a text.")
    return value
