"""Ways to falsify a trail, for somebody who owns the database and has switched its triggers off."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import delete, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from ostiary.adapters.sql.audit import audit_chains, audit_records
from ostiary.adapters.sql.audit_ledger import SQLAuditLedger, audit_checkpoints
from ostiary.core.audit.chain import ChainedRecord, content_hash, link_hash
from ostiary.core.audit.checkpoint import Checkpoint

CHAINS: Final = ("instance", "org_a", "org_b")

# Every column of a record that says something, with the SQL of another value than it has.
CHANGES: Final = {
    "id": "id || 'x'",
    "at": "at + interval '1 microsecond'",
    "actor_kind": "CASE actor_kind WHEN 'system' THEN 'person' ELSE 'system' END",
    "actor_id": "actor_id || 'x'",
    "actor_name": "actor_name || ' '",
    "ip": "CASE WHEN ip IS NULL THEN '' ELSE NULL END",
    "request_id": "coalesce(request_id, '') || 'x'",
    "what": "what || '.not'",
    "sentence": "sentence || '!'",
    "outcome": "outcome || '?'",
    "organization_id": "CASE WHEN organization_id IS NULL THEN 'org_a' ELSE NULL END",
    "object_id": "coalesce(object_id, '') || 'x'",
    "reference": "coalesce(reference, '') || 'x'",
    "reason": "CASE WHEN reason IS NULL THEN '' ELSE NULL END",
    "detail": "detail || jsonb_build_object('added', 'x')",
    "salt": "coalesce(salt, ''::bytea) || '\\x00'::bytea",
    "personal_hash": "sha256(personal_hash)",
    "hash": "sha256(hash)",
    "erased_by": "coalesce(erased_by, '') || 'x'",
    "position": "position + 1000",
    "chain": "chain || 'x'",
}

CHECKPOINT_CHANGES: Final = {
    "number": "number + 1000",
    "kind": "CASE kind WHEN 'seal' THEN 'start' ELSE 'seal' END",
    "chain": "chain || 'x'",
    "position": "position + 1",
    "hash": "sha256(hash)",
    "at": "at - interval '1 day'",
    "previous": "sha256(previous)",
    "signature": "sha256(signature) || sha256(signature)",
}

HEAD_CHANGES: Final = {
    "chain": "chain || 'x'",
    "position": "position + 1",
    "hash": "sha256(hash)",
    "start_position": "start_position + 1",
    "start_hash": "sha256(start_hash)",
}


@dataclass(frozen=True, slots=True)
class Forger:
    """Tampers at random; each method leaves something behind that was not so before."""

    connection: AsyncConnection
    rng: random.Random
    trail: Mapping[str, list[ChainedRecord]]
    """The chains as they were."""
    checkpoints: Sequence[Checkpoint]

    @classmethod
    async def look(cls, connection: AsyncConnection, rng: random.Random) -> Forger:
        """Read the trail as it is, once for many deeds that are rolled back."""
        ledger = SQLAuditLedger(connection)
        trail = {chain: [entry async for entry in ledger.records(chain)] for chain in CHAINS}
        return cls(connection, rng, trail, [checkpoint async for checkpoint in ledger.checkpoints()])

    async def tamper(self) -> str:
        """Do one thing and return what."""
        ways: tuple[Callable[[], Awaitable[str]], ...] = (
            self.change,
            self.change,
            self.remove,
            self.swap,
            self.swap_order,
            self.insert,
            self.cut_off,
            self.cut_off_with_head,
            self.rewrite,
            self.renumber,
            self.change_checkpoint,
            self.remove_checkpoint,
            self.change_head,
            self.remove_head,
            self.remove_everything,
            self.erase_off_record,
            self.trim_off_record,
        )
        return await self.rng.choice(ways)()

    async def change(self) -> str:
        entry = await self._any()
        column = self.rng.choice(sorted(CHANGES))
        await self._run(
            f"UPDATE audit_records SET {column} = {CHANGES[column]} WHERE sequence = {entry.sequence}"
        )
        return f"change {column} of {entry.chain} {entry.position}"

    async def remove(self) -> str:
        entry = await self._any()
        await self._run(f"DELETE FROM audit_records WHERE sequence = {entry.sequence}")
        return f"remove {entry.chain} {entry.position}"

    async def swap(self) -> str:
        first, second = await self._two()
        await self._run(f"UPDATE audit_records SET position = -1 WHERE sequence = {first.sequence}")
        await self._run(
            f"UPDATE audit_records SET position = {first.position} WHERE sequence = {second.sequence}"
        )
        await self._run(
            f"UPDATE audit_records SET position = {second.position} WHERE sequence = {first.sequence}"
        )
        return f"swap {first.position} and {second.position} of {first.chain}"

    async def swap_order(self) -> str:
        first, second = await self._two()
        await self._run(
            "ALTER TABLE audit_records ALTER COLUMN sequence SET GENERATED BY DEFAULT;"
            f"UPDATE audit_records SET sequence = -1 WHERE sequence = {first.sequence};"
            f"UPDATE audit_records SET sequence = {first.sequence} WHERE sequence = {second.sequence};"
            f"UPDATE audit_records SET sequence = {second.sequence} WHERE sequence = -1"
        )
        return f"swap the order of {first.position} and {second.position} of {first.chain}"

    async def insert(self) -> str:
        entry = await self._any()
        columns = [c.name for c in audit_records.c if c.name not in {"sequence", "id", "position"}]
        last = self.trail[entry.chain][-1].position
        copied = select(*(audit_records.c[name] for name in columns)).where(
            audit_records.c.sequence == entry.sequence
        )
        row = (await self.connection.execute(copied)).mappings().one()
        await self.connection.execute(
            insert(audit_records).values(**dict(row), id="aud_forged", position=last + 1)
        )
        return f"insert a copy of {entry.chain} {entry.position}"

    async def cut_off(self) -> str:
        entry = await self._any()
        await self._cut(entry)
        return f"cut {entry.chain} off from {entry.position}"

    async def cut_off_with_head(self) -> str:
        """And let the head agree: only checkpoints tell."""
        entry = await self._sealed()
        await self._cut(entry)
        kept = [other for other in self.trail[entry.chain] if other.position < entry.position]
        await self._set_head(entry.chain, kept[-1] if kept else None)
        return f"cut {entry.chain} off from {entry.position}, head too"

    async def rewrite(self) -> str:
        """Change a record and compute the rest of the chain anew: only checkpoints tell."""
        entry = await self._sealed()
        await self._run(f"UPDATE audit_records SET outcome = 'nothing' WHERE sequence = {entry.sequence}")
        await self._link(entry.chain)
        return f"rewrite {entry.chain} from {entry.position}"

    async def renumber(self) -> str:
        """Remove a record and close the gap as if it never was: only checkpoints tell."""
        entry = await self._sealed()
        await self._run(f"DELETE FROM audit_records WHERE sequence = {entry.sequence}")
        await self._link(entry.chain)
        return f"remove {entry.chain} {entry.position} and renumber"

    async def change_checkpoint(self) -> str:
        number = await self._checkpoint()
        column = self.rng.choice(sorted(CHECKPOINT_CHANGES))
        await self._run(
            f"UPDATE audit_checkpoints SET {column} = {CHECKPOINT_CHANGES[column]} WHERE number = {number}"
        )
        return f"change {column} of checkpoint {number}"

    async def remove_checkpoint(self) -> str:
        number = await self._checkpoint()
        await self._run(f"DELETE FROM audit_checkpoints WHERE number = {number}")
        return f"remove checkpoint {number}"

    async def change_head(self) -> str:
        chain, column = self.rng.choice(CHAINS), self.rng.choice(sorted(HEAD_CHANGES))
        await self._run(f"UPDATE audit_chains SET {column} = {HEAD_CHANGES[column]} WHERE chain = '{chain}'")
        return f"change {column} of the head of {chain}"

    async def remove_head(self) -> str:
        chain = self.rng.choice(CHAINS)
        await self._run(f"DELETE FROM audit_chains WHERE chain = '{chain}'")
        return f"remove the head of {chain}"

    async def remove_everything(self) -> str:
        """All that names a chain, checkpoints too: the other chains' checkpoints tell."""
        chain = self.rng.choice(CHAINS)
        for table in (audit_records, audit_chains, audit_checkpoints):
            await self.connection.execute(delete(table).where(table.c.chain == chain))
        return f"remove {chain} altogether"

    async def erase_off_record(self) -> str:
        """Use the way open for privacy to hide something."""
        entry = await self._any(erased=False)
        await self._run(
            "UPDATE audit_records SET erased_by = 'aud_none', salt = NULL, actor_name = '', ip = NULL,"
            " sentence = 'Personal details were erased.', detail = '{}'"
            f" WHERE sequence = {entry.sequence}"
        )
        return f"erase {entry.chain} {entry.position} off the record"

    async def trim_off_record(self) -> str:
        """Use the way open for retention to hide something."""
        entry = await self._any()
        await self.connection.execute(
            update(audit_chains)
            .where(audit_chains.c.chain == entry.chain)
            .values(start_position=entry.position + 1, start_hash=entry.hash)
        )
        await self._run(
            f"DELETE FROM audit_records WHERE chain = '{entry.chain}' AND position <= {entry.position}"
        )
        return f"trim {entry.chain} up to {entry.position}"

    async def _run(self, statements: str) -> None:
        for statement in statements.split(";"):
            await self.connection.execute(text(statement))

    async def _any(self, *, erased: bool | None = None) -> ChainedRecord:
        entries = self.trail[self.rng.choice(CHAINS)]
        return self.rng.choice(
            [entry for entry in entries if erased is None or (entry.erased_by is not None) == erased]
        )

    async def _sealed(self) -> ChainedRecord:
        chain = self.rng.choice(CHAINS)
        last = max(checkpoint.position for checkpoint in self.checkpoints if checkpoint.chain == chain)
        return self.rng.choice([entry for entry in self.trail[chain] if entry.position <= last])

    async def _two(self) -> tuple[ChainedRecord, ChainedRecord]:
        first, second = self.rng.sample(self.trail[self.rng.choice(CHAINS)], 2)
        return first, second

    async def _checkpoint(self) -> int:
        return self.rng.choice(self.checkpoints).number

    async def _cut(self, entry: ChainedRecord) -> None:
        await self._run(
            f"DELETE FROM audit_records WHERE chain = '{entry.chain}' AND position >= {entry.position}"
        )

    async def _set_head(self, chain: str, last: ChainedRecord | None) -> None:
        if last is None:
            await self._run(
                f"UPDATE audit_chains SET position = start_position - 1, hash = start_hash WHERE chain = '{chain}'"
            )
            return
        await self.connection.execute(
            update(audit_chains)
            .where(audit_chains.c.chain == chain)
            .values(position=last.position, hash=last.hash)
        )

    async def _link(self, chain: str) -> None:
        head = await SQLAuditLedger(self.connection).head(chain)
        assert head is not None
        position, previous = head.start_position - 1, head.start_hash
        async for entry in SQLAuditLedger(self.connection).records(chain):
            position += 1
            previous = link_hash(previous, position, content_hash(entry.record, entry.personal_hash))
            await self.connection.execute(
                update(audit_records)
                .where(audit_records.c.sequence == entry.sequence)
                .values(position=position, hash=previous)
            )
        await self.connection.execute(
            update(audit_chains).where(audit_chains.c.chain == chain).values(position=position, hash=previous)
        )
