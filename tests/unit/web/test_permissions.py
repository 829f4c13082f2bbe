"""A route that does not say who may call it stops the start."""

from __future__ import annotations

import pytest
from fastapi import APIRouter, FastAPI
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

from ostiary.core.access.model import Permission
from ostiary.entrypoints.web.permissions import RouteWithoutPermission, permission_table, requires


def _app() -> FastAPI:
    return FastAPI(docs_url=None, redoc_url=None, openapi_url=None)


async def _page() -> dict[str, str]:
    return {}


def test_silent_route_stops_the_start() -> None:
    app = _app()
    app.add_api_route("/silent", _page)
    with pytest.raises(RouteWithoutPermission, match="/silent declares 0"):
        permission_table(app)


def test_silent_route_of_an_included_router_stops_the_start() -> None:
    app, outer, inner = _app(), APIRouter(prefix="/outer"), APIRouter()
    inner.add_api_route("/silent", _page)
    outer.include_router(inner)
    app.include_router(outer)
    with pytest.raises(RouteWithoutPermission, match="/outer/silent"):
        permission_table(app)


def test_two_permissions_stop_the_start() -> None:
    app = _app()
    app.add_api_route(
        "/both", _page, dependencies=[requires(Permission.PUBLIC), requires(Permission.OPERATOR_READ)]
    )
    with pytest.raises(RouteWithoutPermission, match="2 permissions"):
        permission_table(app)


@pytest.mark.parametrize(
    "permission", [Permission.CONSOLE_READ, Permission.OPERATOR_READ, Permission.API_READ]
)
def test_reading_permission_cannot_change_anything(permission: Permission) -> None:
    app = _app()
    app.add_api_route("/change", _page, methods=["POST"], dependencies=[requires(permission)])
    with pytest.raises(RouteWithoutPermission, match="changes things"):
        permission_table(app)


def test_what_cannot_declare_anything_stops_the_start() -> None:
    app = _app()
    app.routes.append(Mount("/files", StaticFiles(directory="/tmp")))
    with pytest.raises(RouteWithoutPermission, match="/files"):
        permission_table(app)


def test_table_holds_every_method_and_path_with_its_prefix() -> None:
    app, router = _app(), APIRouter(prefix="/area")
    router.add_api_route("/page", _page, dependencies=[requires(Permission.CONSOLE_READ)])
    router.add_api_route(
        "/page", _page, methods=["POST", "DELETE"], dependencies=[requires(Permission.CONSOLE_MANAGE)]
    )
    app.include_router(router)
    assert permission_table(app) == {
        ("GET", "/area/page"): Permission.CONSOLE_READ,
        ("POST", "/area/page"): Permission.CONSOLE_MANAGE,
        ("DELETE", "/area/page"): Permission.CONSOLE_MANAGE,
    }
