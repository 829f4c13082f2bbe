"""How a page is made: one Jinja environment for all areas, escaping on, unknown names refused."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final, cast
from urllib.parse import quote, urlencode

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ostiary.entrypoints.web.browser import csrf_field
from ostiary.entrypoints.web.context import find_principal, request_id
from ostiary.entrypoints.web.headers import allow_form_targets
from ostiary.entrypoints.web.static import StaticFiles
from ostiary.entrypoints.web.theme import chosen_theme
from ostiary.settings import Settings

_ENTRYPOINTS: Final = Path(__file__).parent.parent
TEMPLATE_FOLDERS: Final = tuple(_ENTRYPOINTS / area / "templates" for area in ("web", "site", "console"))


@dataclass(frozen=True, slots=True)
class Vendor:
    """The vendor as pages show it."""

    name: str
    app_name: str
    publisher: str
    publisher_verified: bool
    help_email: str
    data_kept: str
    app_id: str
    app_url: str | None
    privacy_url: str | None


def vendor_of(settings: Settings) -> Vendor:
    """Return the vendor that the settings describe."""
    return Vendor(
        name=settings.vendor_name,
        app_name=settings.vendor_app_name,
        publisher=settings.vendor_publisher,
        publisher_verified=settings.vendor_publisher_verified,
        help_email=settings.vendor_help_email,
        data_kept=settings.vendor_data_kept,
        app_id=settings.app_client_id,
        app_url=settings.vendor_app_url,
        privacy_url=settings.vendor_privacy_url,
    )


def create_environment(static: StaticFiles, vendor: Vendor) -> Environment:
    """Return the environment of all templates; areas keep theirs in ``<area>/templates``."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATE_FOLDERS),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters: dict[str, Any] = {
        "date": written_date,
        "moment": written_moment,
        "hour": written_hour,
        "iso": iso_moment,
        "plural": plural,
        "duration": written_duration,
    }
    environment.filters.update(filters)
    names: dict[str, Any] = {"asset": static.address, "vendor": vendor}
    environment.globals.update(names)
    return environment


def render(
    request: Request,
    template: str,
    *,
    status_code: int = 200,
    form_targets: Iterable[str] = (),
    **context: Any,
) -> HTMLResponse:
    """Answer with a page.

    Args:
        template: Path below an area's ``templates`` folder.
        form_targets: Origins that a form on the page ends at by way of redirects, such as the sign-in host.
    """
    allow_form_targets(request, form_targets)
    app = cast(FastAPI, request.app)
    environment = cast(Environment, app.state.templates)
    page = environment.get_template(template).render(
        request_path=request.url.path,
        request_id=request_id(request),
        theme=chosen_theme(request),
        caller=find_principal(request),
        csrf_field=lambda: csrf_field(request),
        **context,
    )
    return HTMLResponse(page, status_code=status_code)


def see_other(address: str) -> RedirectResponse:
    """Answer a POST (or a return from Microsoft) with the page to go to."""
    return RedirectResponse(address, status_code=303)


def sign_in_path(next_path: str | None, *, signed_out: bool = False) -> str:
    """Return the console's sign-in page, which leads back to ``next_path``."""
    query: Mapping[str, str] = {
        **({"next": next_path} if next_path else {}),
        **({"ended": "1"} if signed_out else {}),
    }
    return "/console/sign-in" + (f"?{urlencode(query, quote_via=quote)}" if query else "")


def written_date(value: date) -> str:
    """``24 November 2026``."""
    day = value.astimezone(UTC).date() if isinstance(value, datetime) else value
    return f"{day.day} {day:%B %Y}"


def written_moment(value: datetime) -> str:
    """``24 November 2026, 14:02 UTC``."""
    moment = value.astimezone(UTC)
    return f"{written_date(moment)}, {moment:%H:%M} UTC"


def written_hour(value: datetime) -> str:
    """``14:02 UTC``."""
    return f"{value.astimezone(UTC):%H:%M} UTC"


def iso_moment(value: datetime) -> str:
    """``2026-11-24T14:02:31Z``, for the ``datetime`` attribute."""
    return f"{value.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def written_duration(minutes: int) -> str:
    """``20 minutes``, ``2 hours 5 minutes``."""
    hours, rest = divmod(minutes, 60)
    parts = ([plural(hours, "hour")] if hours else []) + (
        [plural(rest, "minute")] if rest or not hours else []
    )
    return " ".join(parts)


def plural(count: int, one: str, many: str | None = None) -> str:
    """``1 person``, ``3 people``."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"
