"""An export as one JSON document: kinds of records by name, written as it comes."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

from ostiary.core.connections.export import ExportedRow


async def json_document(rows: AsyncIterator[ExportedRow]) -> AsyncIterator[str]:
    """Yield the document piece by piece: an organization may have more records than fit in memory."""
    yield "{"
    kind: str | None = None
    async for name, row in rows:
        if name != kind:
            yield f"{'' if kind is None else '],'}\n {json.dumps(name)}: ["
            separator = ""
            kind = name
        else:
            separator = ","
        yield f"{separator}\n  {json.dumps(row, ensure_ascii=False)}"
    yield "}\n" if kind is None else "]}\n"
