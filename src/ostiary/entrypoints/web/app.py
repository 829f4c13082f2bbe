"""Puts the web application together: areas, protection, order of the layers."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Sequence
from functools import cache
from types import ModuleType
from typing import TYPE_CHECKING, Final

from fastapi import APIRouter, FastAPI
from starlette.middleware.gzip import GZipMiddleware
from starlette.routing import BaseRoute

from ostiary.entrypoints import api, console, site
from ostiary.entrypoints.console.filters import FILTERS as CONSOLE_FILTERS
from ostiary.entrypoints.site.intake import Intake
from ostiary.entrypoints.web import csp_reports, errors, health, routes
from ostiary.entrypoints.web.addresses import Addresses
from ostiary.entrypoints.web.browser import BrowserCookie
from ostiary.entrypoints.web.errors import FaultBarrier
from ostiary.entrypoints.web.forwarded import Forwarded
from ostiary.entrypoints.web.headers import SecurityHeaders
from ostiary.entrypoints.web.limits import BodyLimit, PlainPath
from ostiary.entrypoints.web.permissions import permission_table
from ostiary.entrypoints.web.request_id import RequestId
from ostiary.entrypoints.web.static import StaticFiles
from ostiary.entrypoints.web.templates import create_environment, vendor_of

if TYPE_CHECKING:
    from ostiary.bootstrap import Services

AREAS: Final[tuple[ModuleType, ...]] = (site, console, api)
"""Packages whose modules each may expose a ``router``."""


def create_app(services: Services) -> FastAPI:
    """Return the web application for running services.

    Raises:
        RouteWithoutPermission: A route does not say who may call it; nothing is served then.
    """
    settings = services.settings
    addresses = Addresses(public_url=settings.public_url, console_url=settings.effective_console_url)
    files = StaticFiles()

    app = FastAPI(
        title="Ostiary",
        version="1",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
    )
    app.state.services = services
    app.state.addresses = addresses
    app.state.static = files
    app.state.templates = create_environment(files, vendor_of(settings))
    app.state.templates.filters.update(CONSOLE_FILTERS)
    app.state.metrics = services.metrics

    errors.install(app)
    app.router.routes.extend(every_route())
    app.state.permissions = permission_table(app)

    # Added from the inside out: the last one sees a request first.
    app.add_middleware(GZipMiddleware, minimum_size=1000)
    app.add_middleware(Intake, application=app)
    protect(app, trusted_proxies=settings.trusted_proxies)
    return app


def protect(app: FastAPI, *, trusted_proxies: Sequence[str]) -> None:
    """Put the layers around an application that every request and answer passes."""
    addresses: Addresses = app.state.addresses
    app.add_middleware(BodyLimit)
    app.add_middleware(PlainPath)
    app.add_middleware(FaultBarrier)
    app.add_middleware(Forwarded, addresses=addresses, trusted_proxies=trusted_proxies)
    app.add_middleware(BrowserCookie)
    app.add_middleware(SecurityHeaders, https=addresses.public_origin.startswith("https://"))
    app.add_middleware(RequestId)


@cache
def every_route() -> tuple[BaseRoute, ...]:
    """Return the routes of all areas; they are the same for each application of a process.

    Working out what each of them takes and gives is half of what a process does at its start.
    """
    gathered = APIRouter(redirect_slashes=False)
    for router in (routes.router, csp_reports.router, health.router, *_area_routers()):
        gathered.include_router(router)
    return tuple(gathered.routes)


def _area_routers() -> list[APIRouter]:
    found: list[APIRouter] = []
    for area in AREAS:
        for module in pkgutil.iter_modules(area.__path__):
            loaded = importlib.import_module(f"{area.__name__}.{module.name}")
            router = getattr(loaded, "router", None)
            if isinstance(router, APIRouter):
                found.append(router)
    return found
