"""The judge of a followed mailbox: what is true at Microsoft, and whether we and the vendor know just that.

It reads the emulator over HTTP and our tables with statements of its own; no store or service of the product is asked,
but for the audit chain, whose hashes only the product can verify. The invariants are those of the fault table (RR-9).
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from dataclasses import dataclass
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from ..conftest import APP_SECRET
from ..integration.connect_world import APP_ID
from ..integration.sync.truth import SCOPE, Truth
from .receiver import Receiver

_ITEM_ID = {"message": "message_id", "event": "event_id"}


@dataclass
class Mailbox(Truth):
    """One person's mailbox, asked for by address: faults that are put on ``/me`` hit the product alone."""

    tenant_id: str = ""

    async def ask(self, method: str, path: str, body: Any = None, **query: str) -> Any:
        url = path if path.startswith("http") else f"{self.url}/v1.0/users/{self.address}{path}"
        return await super().ask(method, url, body, **query)

    async def sign_in(self) -> None:
        answer = await self.http.post(
            f"{self.url}/{self.tenant_id}/oauth2/v2.0/token",
            data={
                "grant_type": "password",
                "client_id": APP_ID,
                "client_secret": APP_SECRET,
                "username": self.address,
                "password": "emulator",
                "scope": SCOPE,
            },
        )
        answer.raise_for_status()
        self._token = answer.json()["access_token"]

    async def forget_token(self) -> None:
        """Sign in anew at the next question: time has passed."""
        self._token = ""


@dataclass
class Oracle:
    """Compares three views of the same mailboxes: Microsoft's, ours, and the vendor's."""

    engine: AsyncEngine
    receiver: Receiver

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

    async def setting(self, name: str, value: str) -> None:
        """Change a setting of the database server, and wait until it counts."""
        async with self.engine.connect() as connection:
            alone = await connection.execution_options(isolation_level="AUTOCOMMIT")
            await alone.execute(text(f"ALTER SYSTEM SET {name} = {value}"))
            await alone.execute(text("SELECT pg_reload_conf()"))
        async with asyncio.timeout(10):
            while await self.value(f"SHOW {name}") != value:
                await asyncio.sleep(0.02)

    async def projection(self, connection_id: str, source: str) -> dict[str, tuple[str, str]]:
        """What we believe: id to version and folder."""
        found = await self.rows(
            "SELECT item_id, version, folder_id FROM sync_items WHERE connection_id = :c AND source = :s",
            c=connection_id,
            s=source,
        )
        return {row["item_id"]: (row["version"], row["folder_id"]) for row in found}

    async def cursors(self, connection_id: str) -> dict[tuple[str, str], str | None]:
        """Where the reading of each folder stands."""
        found = await self.rows(
            "SELECT source, folder_id, cursor FROM sync_folders WHERE connection_id = :c", c=connection_id
        )
        return {(row["source"], row["folder_id"]): row["cursor"] for row in found}

    async def feed(self, stream_id: str) -> list[dict[str, Any]]:
        return await self.rows(
            "SELECT sequence, id, type, data FROM feed_events WHERE stream_id = :s ORDER BY sequence",
            s=stream_id,
        )

    async def grant(self, connection_id: str) -> tuple[str, int, int]:
        """State of a connection, and the version of its token on both rows."""
        (found,) = await self.rows(
            "SELECT c.status, c.token_version, r.version FROM connections c"
            " JOIN refresh_tokens r ON r.connection_id = c.id WHERE c.id = :c",
            c=connection_id,
        )
        return found["status"], found["token_version"], found["version"]

    async def require_known(self, connection_id: str, mailbox: Mailbox) -> None:
        """I2: the projection is the mailbox, with nothing left to find out."""
        state = await self.rows(
            "SELECT source, mark, done_mark, failures, stalled_reason, due_at, not_before FROM sync_states"
            " WHERE connection_id = :c",
            c=connection_id,
        )
        require_same(await self.projection(connection_id, "mail"), await mailbox.messages(), state)
        events = {
            k: version for k, (version, _) in (await self.projection(connection_id, "calendar")).items()
        }
        require_same(events, await mailbox.events(), state)
        assert (
            await self.rows(
                "SELECT item_id FROM sync_items WHERE connection_id = :c AND pending <> ''", c=connection_id
            )
            == []
        )

    async def require_told(self, connection_id: str, mailbox: Mailbox, written: set[str]) -> None:
        """I3: the feed, played from its beginning, leads to the mailbox; each event is in it once, under one id."""
        told = await self.feed(connection_id)
        assert [event["sequence"] for event in told] == list(range(1, len(told) + 1)), "a gap in the feed"
        ids = Counter(event["id"] for event in told)
        assert [one for one, count in ids.items() if count > 1] == []
        logical = Counter(
            (event["type"], *(str(event["data"].get(name)) for name in ("message_id", "event_id", "version")))
            for event in told
            if event["type"].startswith("message.") and event["type"] != "message.moved"
        )
        assert [one for one, count in logical.items() if count > 1] == [], "one change under two ids"
        known = replayed(told)
        messages, events = await mailbox.messages(), await mailbox.events()
        real = {**{k: version for k, (version, _) in messages.items()}, **events}
        # What is older than the backfill window was never told of.
        assert {k: real.get(k) for k in known} == known
        assert {k for k in written if k in real} <= set(known), "a change was never told"

    async def require_delivered(self, path: str, endpoint_id: str) -> None:
        """I3: whatever the feed says since the endpoint is there reached it, in the same words each time."""
        wanted = await self.rows(
            "SELECT event_id, state FROM webhook_deliveries WHERE endpoint_id = :e", e=endpoint_id
        )
        assert {row["state"] for row in wanted} <= {"delivered"}
        ids = {row["event_id"] for row in wanted}
        missing = await self.value(
            "SELECT count(*) FROM feed_events f WHERE f.recorded_at >="
            " (SELECT created_at FROM webhook_endpoints WHERE id = :e) AND NOT EXISTS"
            " (SELECT 1 FROM webhook_deliveries d WHERE d.endpoint_id = :e AND d.event_id = f.id)",
            e=endpoint_id,
        )
        assert missing == 0, "events without a delivery"
        assert ids <= self.receiver.taken[path], "marked as delivered, and never taken"
        for message_id, copies in self.receiver.bodies[path].items():
            assert message_id in ids, "a message that no event stands behind"
            assert len(set(copies)) == 1, "copies of one message differ"
            assert json.loads(copies[0])["id"] == message_id

    async def require_one_token(self, connection_id: str, *, since: int, granted: int) -> None:
        """I4, I5: one token version on both rows, moved on once for each refresh that Microsoft granted."""
        status, ours, stored = await self.grant(connection_id)
        assert status == "connected"
        assert ours == stored == since + granted

    async def require_idle(self, now: Any) -> None:
        """I1, I10: what notices marked is read, nothing is held, no queue is left."""
        left = await self.rows(
            "SELECT connection_id, source, stalled_reason FROM sync_states"
            " WHERE mark > done_mark OR lease_holder IS NOT NULL OR failures > 0"
        )
        assert left == []
        assert await self.value("SELECT count(*) FROM sync_hints") == 0
        stuck = await self.value(
            "SELECT count(*) FROM webhook_deliveries d JOIN webhook_endpoints e ON e.id = d.endpoint_id"
            " WHERE d.state = 'pending' AND e.status = 'active' AND d.next_at <= :now",
            now=now,
        )
        assert stuck == 0

    async def require_whole_chain(self, services: Any) -> None:
        """I6, I7: the audit trail verifies and holds what its table holds, a record for each state that was reached."""
        report = await services.audit.keeping.verify()
        assert report.is_intact, report.findings
        assert report.records == await self.value("SELECT count(*) FROM audit_records")
        told = Counter(
            row["type"]
            for row in await self.rows(
                # One that works again after trouble is on record as checked.
                "SELECT type FROM feed_events WHERE type LIKE 'connection.%' AND coalesce(data->>'previous_status', '')"
                " NOT IN ('needs_sign_in', 'waiting_for_approval', 'failing')"
            )
            if row["type"] in {"connection.connected", "connection.disconnected"}
        )
        acts = {
            row["what"]: row["count"]
            for row in await self.rows("SELECT what, count(*) AS count FROM audit_records GROUP BY what")
        }
        assert {what: acts.get(what, 0) for what in told} == dict(told)


def require_same(ours: dict[str, Any], real: dict[str, Any], state: object) -> None:
    """Fail with what differs: whole mailboxes are too long to read."""
    differ = {k: (ours.get(k), real.get(k)) for k in ours.keys() | real.keys() if ours.get(k) != real.get(k)}
    assert not differ, f"ours and the truth differ in {len(differ)} items: {differ}; {state}"


def replayed(told: list[dict[str, Any]]) -> dict[str, str]:
    """Return the mailbox as somebody who only follows the feed knows it: id to version."""
    known: dict[str, str] = {}
    for event in told:
        kind, _, what = event["type"].partition(".")
        if kind not in _ITEM_ID:
            continue
        data = event["data"]
        item_id = data[_ITEM_ID[kind]]
        if what == "deleted":
            known.pop(item_id, None)
            continue
        if what == "moved":
            known.pop(data.get("previous_message_id"), None)
        known[item_id] = data["version"]
    return known
