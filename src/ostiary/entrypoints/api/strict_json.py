"""Reading JSON bodies without second meanings (SR-91): no repeated names, no NaN, no endless nesting."""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final, NoReturn

from fastapi import APIRouter, Request, Response, params
from fastapi.routing import APIRoute

from ostiary.core.kernel.errors import InvalidRequest

MOST_DEPTH: Final = 32
"""Our bodies nest three deep."""
_LONGEST_NUMBER: Final = 32


class StrictJSONRoute(APIRoute):
    """A route whose body is read by :func:`parse_strictly`."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Hand the route a request that reads JSON strictly."""
        handle = super().get_route_handler()

        async def strictly(request: Request) -> Response:
            return await handle(_StrictRequest(request.scope, request.receive))

        return strictly


def api_router(prefix: str, *, tag: str, dependencies: Sequence[params.Depends] = ()) -> APIRouter:
    """Return a router of the API. ``dependencies`` run for each of its routes."""
    return APIRouter(prefix=prefix, tags=[tag], route_class=StrictJSONRoute, dependencies=list(dependencies))


class _StrictRequest(Request):
    async def json(self) -> Any:
        return parse_strictly(await self.body())


def parse_strictly(body: bytes) -> Any:
    """Decode JSON.

    Raises:
        InvalidRequest: Not JSON, a name twice in one object, NaN or infinity, a monstrous number, too deep.
    """
    if _depth(body) > MOST_DEPTH:
        raise InvalidRequest("The body is nested too deeply.")
    try:
        return json.loads(
            body.decode("utf-8"),
            object_pairs_hook=_object,
            parse_constant=_refuse_constant,
            parse_int=lambda text: int(_short(text)),
            parse_float=lambda text: float(_short(text)),
        )
    except (ValueError, RecursionError) as error:
        raise InvalidRequest("The body is not JSON.") from error


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise InvalidRequest("The body has a name twice in one object.")
    return found


def _refuse_constant(name: str) -> NoReturn:
    raise InvalidRequest(f"The body holds {name}, which is not JSON.")


def _short(text: str) -> str:
    if len(text) > _LONGEST_NUMBER:
        raise InvalidRequest("The body holds a number that is too long.")
    return text


def _depth(body: bytes) -> int:
    """Return how deeply brackets nest, at most; those inside texts count too, which only errs on the safe side."""
    depth = deepest = 0
    for byte in body:
        if byte in b"[{":
            depth += 1
            deepest = max(deepest, depth)
        elif byte in b"]}":
            depth -= 1
    return deepest
