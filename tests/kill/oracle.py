"""The judge: reads the database with statements of its own, and knows from the wire what Microsoft saw."""

from __future__ import annotations

import re
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from ostiary.bootstrap import Services, application
from ostiary.core.kernel.clock import MovableClock, SystemClock

from .processes import Served
from .token_tap import TokenTap

_WORD = re.compile(rb"[\w.~-]{16,}")
"""What a token, code or key can consist of; shorter runs hold none."""


def words_of(path: Path) -> bytes:
    """Every run of a file that could hold a secret: most of a database is anything else."""
    return b"\n".join(set(_WORD.findall(path.read_bytes())))


@dataclass
class Oracle:
    """Facts after a crash. Nothing here goes through the product's stores, save where the product is asked to act."""

    engine: AsyncEngine
    served: Served
    tap: TokenTap
    database_folder: Path
    looked_for: set[tuple[str, str]] = field(default_factory=set)

    async def rows(self, statement: str, **values: Any) -> list[dict[str, Any]]:
        async with self.engine.connect() as connection:
            found = await connection.execute(text(statement), values)
            return [dict(row) for row in found.mappings()]

    async def value(self, statement: str, **values: Any) -> Any:
        async with self.engine.connect() as connection:
            return await connection.scalar(text(statement), values)

    async def change(self, statement: str, **values: Any) -> None:
        async with self.engine.begin() as connection:
            await connection.execute(text(statement), values)

    async def audited(self, what: str, object_id: str) -> int:
        """How many records tell of this act."""
        return await self.value(
            "SELECT count(*) FROM audit_records WHERE what = :what AND object_id = :object_id",
            what=what,
            object_id=object_id,
        )

    def later(self, by: timedelta) -> AbstractAsyncContextManager[Services]:
        """The product at a later time, on the same database and keys."""
        return application(self.served.settings, clock=MovableClock(SystemClock().now() + by))

    def require_no_code_twice(self) -> None:
        """I11: Microsoft took no code twice."""
        assert [count for count in self.tap.codes_redeemed.values() if count > 1] == []

    async def require_whole_chain(self) -> None:
        """I7: the audit trail verifies, and holds as many records as its table."""
        async with application(self.served.settings) as services:
            report = await services.audit.keeping.verify()
        assert report.is_intact, report.findings
        assert report.records == await self.value("SELECT count(*) FROM audit_records")

    def secrets_on_disk(self, *, all_of_them: bool = False) -> list[tuple[str, Path]]:
        """I8: secrets that crossed the wire, looked for in plain text in every file that the product leaves.

        Those of earlier tests are looked for again at the end, by ``all_of_them``.
        """
        known = {
            (kind, value)
            for kind, values in self.tap.secrets.items()
            for value in values
            # A client secret stands in the environment where the operator put it; a state in the address bar.
            if kind not in {"client_secret", "state"}
        }
        wanted = known if all_of_them else known - self.looked_for
        self.looked_for |= wanted
        found: list[tuple[str, Path]] = []
        for folder in (self.served.home, self.served.settings.data_dir, self.database_folder):
            for path in folder.rglob("*"):
                if path.is_file() and not path.is_symlink():
                    words = words_of(path)
                    found += [(kind, path) for kind, value in wanted if value.encode() in words]
        return found

    async def require_one_working_version(self, connection_id: str) -> None:
        """I4: exactly one token version, the same on both rows, and Microsoft takes it."""
        found = await self.rows(
            "SELECT c.token_version, r.version FROM connections c JOIN refresh_tokens r ON r.connection_id = c.id"
            " WHERE c.id = :id",
            id=connection_id,
        )
        assert len(found) == 1
        assert found[0]["token_version"] == found[0]["version"]
        # Beyond the life of any lease: nobody holds up anybody for longer.
        async with self.later(timedelta(seconds=91)) as services:
            await self.change("DELETE FROM access_tokens WHERE connection_id = :id", id=connection_id)
            await services.connections.tokens.get(connection_id)
        newer = await self.value(
            "SELECT version FROM refresh_tokens WHERE connection_id = :id", id=connection_id
        )
        assert newer == found[0]["version"] + 1
