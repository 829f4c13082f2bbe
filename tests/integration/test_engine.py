"""What the database adapter never says."""

from __future__ import annotations

import pytest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.ext.asyncio import AsyncEngine


async def test_a_failed_statement_does_not_quote_what_was_to_be_stored(database: AsyncEngine) -> None:
    async with database.connect() as connection:
        with pytest.raises(ProgrammingError) as caught:
            await connection.execute(
                text("INSERT INTO nowhere VALUES (:value)"), {"value": "canary-7Hq2mZ9x"}
            )
    assert "canary-7Hq2mZ9x" not in str(caught.value)
    assert "canary-7Hq2mZ9x" not in repr(caught.value)


async def test_statements_end_after_their_time(database: AsyncEngine) -> None:
    async with database.connect() as connection:
        assert await connection.scalar(text("SHOW statement_timeout")) == "15s"
        assert await connection.scalar(text("SHOW lock_timeout")) == "5s"
        assert await connection.scalar(text("SHOW timezone")) == "UTC"
