"""Sending an export as a file to keep."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Iterator
from typing import IO, Final

from fastapi.responses import StreamingResponse
from starlette.background import BackgroundTask

from ostiary.core.connections.export import ExportedRow
from ostiary.entrypoints.export_file import json_document

_IN_MEMORY_BYTES: Final = 1024 * 1024
_PIECE_BYTES: Final = 64 * 1024


async def export_answer(rows: AsyncIterator[ExportedRow], *, file_name: str) -> StreamingResponse:
    """Answer with the document as a download.

    It is written to a temporary file first: a slow reader must not keep a database transaction open, and what
    fails half way must not look like a whole file.
    """
    file: IO[bytes] = tempfile.SpooledTemporaryFile(_IN_MEMORY_BYTES)  # noqa: SIM115 - closed when it was sent
    try:
        async for piece in json_document(rows):
            await asyncio.to_thread(file.write, piece.encode())
        size = file.tell()
        file.seek(0)
    except BaseException:
        file.close()
        raise
    return StreamingResponse(
        _pieces(file),
        media_type="application/json",
        headers={
            "Content-Disposition": f'attachment; filename="{file_name}"',
            "Content-Length": str(size),
            "Cache-Control": "no-store",
        },
        background=BackgroundTask(file.close),
    )


def _pieces(file: IO[bytes]) -> Iterator[bytes]:
    while piece := file.read(_PIECE_BYTES):
        yield piece
