"""What a request's log lines say beyond its number, so that support can follow one connection."""

from __future__ import annotations

from typing import Final, cast

import structlog
from fastapi import Depends, Request, params


async def _name_connection(request: Request) -> None:
    # The id as the caller wrote it: known or not, it is what support is asked about.
    structlog.contextvars.bind_contextvars(connection_id=request.path_params.get("connection_id"))


NAMES_CONNECTION: Final = cast(params.Depends, Depends(_name_connection))
"""For routers below one connection."""
