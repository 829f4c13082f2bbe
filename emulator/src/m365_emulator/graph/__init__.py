"""Microsoft Graph v1.0: mail, calendars and what belongs to them, over the mailbox store.

`routes(world)` is all the server needs. Every operation is a row of a table (`operation_table`), made of the rows of
the modules below; `app.GraphApp` finds the row, checks token, permission and limits, and calls it.
"""

from __future__ import annotations

import importlib

from starlette.convertors import PathConvertor, register_url_convertor
from starlette.routing import BaseRoute, Route

from m365_emulator.world.world import World

from .app import GraphApp
from .batch import Batch
from .operations import OperationTable
from .uploads import UPLOAD_PATH, UploadApp

METHODS = ["GET", "HEAD", "POST", "PATCH", "PUT", "DELETE", "OPTIONS"]
_MODULES = (
    "people",
    "directory",
    "folders",
    "folder_changes",
    "messages",
    "message_changes",
    "sending",
    "attachments",
    "uploads",
    "calendars",
    "events",
    "event_changes",
    "delta",
    "settings",
    "translate",
    "schedules",
    "categories",
    "mail_tips",
    "rules",
    "extensions",
    "subscriptions.requests",
)


class _AnyPath(PathConvertor):
    """A path with whatever in it: Starlette's own stops at a line break."""

    regex = r"[\s\S]*"


def operation_table() -> OperationTable:
    """Return the table of all operations."""
    table = OperationTable()
    for name in _MODULES:
        for row in importlib.import_module(f"{__name__}.{name}").operations.rows:
            table.add(row)
    return table


def routes(world: World) -> list[BaseRoute]:
    """Return the routes of Graph for a world."""
    register_url_convertor("anypath", _AnyPath())
    table = operation_table()
    app = GraphApp(world, table)
    for row in Batch(app.answer).operations.rows:
        table.add(row)
    found: list[BaseRoute] = []
    found += [
        Route(f"/{version}/{{rest:anypath}}", app.__call__, methods=METHODS) for version in ("v1.0", "V1.0")
    ]
    found.append(Route("/beta/{rest:anypath}", app.refuse_version, methods=METHODS))
    found.append(Route(f"{UPLOAD_PATH}/{{rest:anypath}}", UploadApp(world).__call__, methods=METHODS))
    return found


__all__ = ["operation_table", "routes"]
