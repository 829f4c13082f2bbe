"""A web application around a handful of routes, without services."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Annotated, Any

import httpx
import pytest
import pytest_asyncio
from fastapi import APIRouter, FastAPI, Form, Request, Response
from fastapi.responses import HTMLResponse

from ostiary.core.access.model import Permission
from ostiary.core.kernel.errors import NotFound, TemporarilyUnavailable, Throttled
from ostiary.entrypoints.web import errors, routes
from ostiary.entrypoints.web.addresses import Addresses
from ostiary.entrypoints.web.app import protect
from ostiary.entrypoints.web.browser import csrf_field
from ostiary.entrypoints.web.context import client_ip
from ostiary.entrypoints.web.permissions import permission_table, requires
from ostiary.entrypoints.web.static import StaticFiles
from ostiary.entrypoints.web.templates import Vendor, create_environment

VENDOR = Vendor(
    name="Larkspur",
    app_name="Larkspur for Microsoft 365",
    publisher="Larkspur Software Ltd",
    publisher_verified=True,
    help_email="help@larkspur.example",
    data_kept="Messages with people contacted from Larkspur.",
    app_id="4f6c1d0e-7b52-4c1b-9a55-20d1b6f0c3aa",
    app_url=None,
    privacy_url=None,
)
SITE = "https://connect.larkspur.example"
CONSOLE = "https://console.larkspur.example"
PUBLIC = [requires(Permission.PUBLIC)]

AppMaker = Callable[..., FastAPI]


def _router() -> APIRouter:
    router = APIRouter()

    @router.get("/form", dependencies=PUBLIC)
    async def form(request: Request) -> Response:
        return HTMLResponse(f"<form method=post>{csrf_field(request)}</form>")

    @router.post("/form", dependencies=PUBLIC)
    async def send(request: Request, word: Annotated[str, Form()] = "") -> dict[str, Any]:
        return {"word": word, "ip": client_ip(request)}

    @router.get("/ip", dependencies=PUBLIC)
    async def ip(request: Request) -> dict[str, Any]:
        return {"ip": client_ip(request), "scheme": request.url.scheme}

    @router.get("/console/page", dependencies=PUBLIC)
    async def console_page() -> HTMLResponse:
        return HTMLResponse("<p>console</p>")

    @router.post("/hook", dependencies=[requires(Permission.PUBLIC, form=False)])
    async def hook(request: Request) -> dict[str, int]:
        return {"length": len(await request.body())}

    @router.get("/fails/{how}", dependencies=PUBLIC)
    @router.get("/v1/fails/{how}", dependencies=PUBLIC)
    async def fails(how: str) -> None:
        if how == "missing":
            raise NotFound("There is no such thing.", reference="CN-5H2R-9WTB")
        if how == "throttled":
            raise Throttled("Microsoft slows us down.", retry_after_seconds=7.4)
        if how == "away":
            raise TemporarilyUnavailable("Microsoft isn’t answering.", reason="microsoft_down")
        raise RuntimeError("the password is hunter2 in /srv/secret.py")

    return router


@pytest.fixture
def make_app() -> AppMaker:
    """Makes the application; ``trusted_proxies`` and ``console_url`` as in the settings."""

    def make(*, trusted_proxies: tuple[str, ...] = (), console_url: str = SITE) -> FastAPI:
        files = StaticFiles()
        app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
        app.state.addresses = Addresses(public_url=SITE, console_url=console_url)
        app.state.static = files
        app.state.templates = create_environment(files, VENDOR)
        errors.install(app)
        app.include_router(routes.router)
        app.include_router(_router())
        app.state.permissions = permission_table(app)
        protect(app, trusted_proxies=trusted_proxies)
        return app

    return make


def browser_of(app: FastAPI, *, base_url: str = SITE, peer: str = "203.0.113.5") -> httpx.AsyncClient:
    """Return a browser that talks to ``app`` in memory."""
    jar = CookieJar(DefaultCookiePolicy(secure_protocols=["http", "https"]))
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app, client=(peer, 5000), raise_app_exceptions=False),
        base_url=base_url,
        cookies=jar,
    )


@pytest_asyncio.fixture
async def browser(make_app: AppMaker) -> AsyncIterator[httpx.AsyncClient]:
    async with browser_of(make_app()) as opened:
        yield opened
