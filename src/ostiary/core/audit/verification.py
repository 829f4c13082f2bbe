"""Verifying the trail: finds any changed, removed, reordered or cut-off record (SR-73)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from ostiary.core.audit.chain import (
    ERASED_SENTENCE,
    ERASED_VERB,
    ChainedRecord,
    chain_name,
    content_hash,
    genesis,
    link_hash,
    personal_hash,
)
from ostiary.core.audit.checkpoint import NOTHING_BEFORE, Checkpoint, CheckpointKey, CheckpointKind
from ostiary.core.audit.ports import AuditLedger, ChainHead

UNSEALED_LIMIT: Final = timedelta(minutes=30)
"""A record this old that no checkpoint covers: either the worker stands still or checkpoints were removed."""

MOST_FINDINGS: Final = 100
"""A report stops growing here; one finding is as bad as a hundred."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that does not fit."""

    chain: str
    position: int | None
    problem: str


@dataclass(slots=True)
class Report:
    """What a verification saw."""

    chains: int = 0
    records: int = 0
    checkpoints: int = 0
    erased: int = 0
    """Records whose personal details were erased on record."""
    findings: list[Finding] = field(default_factory=list[Finding])

    @property
    def is_intact(self) -> bool:
        """Whether everything fits."""
        return not self.findings

    def add(self, chain: str, position: int | None, problem: str) -> None:
        """Note a finding."""
        if len(self.findings) < MOST_FINDINGS:
            self.findings.append(Finding(chain, position, problem))


async def verify(
    ledger: AuditLedger, key: CheckpointKey, *, now: datetime, known: Sequence[Checkpoint] = ()
) -> Report:
    """Walk every checkpoint and every chain.

    Args:
        ledger: Of a transaction that sees one moment of the database.
        known: Checkpoints that were kept elsewhere. They alone can show that the newest part of the trail was
            removed together with its checkpoints.
    """
    report = Report()
    await _walk_checkpoints(ledger, key, report)
    for checkpoint in known:
        if not key.is_ours(checkpoint):
            report.add(
                checkpoint.chain, checkpoint.position, "a kept checkpoint is not signed by this instance"
            )
    names = await ledger.chain_names() | {checkpoint.chain for checkpoint in known}
    for name in sorted(names):
        own = [checkpoint for checkpoint in known if checkpoint.chain == name and key.is_ours(checkpoint)]
        await _Chain(name, ledger, key, report).walk(own, now)
    report.chains = len(names)
    return report


async def _walk_checkpoints(ledger: AuditLedger, key: CheckpointKey, report: Report) -> None:
    number, previous = 0, NOTHING_BEFORE
    async for checkpoint in ledger.checkpoints():
        report.checkpoints += 1
        if checkpoint.number != number + 1 or checkpoint.previous != previous:
            report.add(
                checkpoint.chain, checkpoint.position, "a checkpoint before this one is missing or changed"
            )
        if not key.is_ours(checkpoint):
            report.add(checkpoint.chain, checkpoint.position, "a checkpoint is not signed by this instance")
        number, previous = checkpoint.number, checkpoint.digest()


class _Chain:
    """The walk along one chain."""

    def __init__(self, name: str, ledger: AuditLedger, key: CheckpointKey, report: Report) -> None:
        self._name = name
        self._ledger = ledger
        self._key = key
        self._report = report
        self._last_sequence = 0
        self._erased: list[tuple[str, int, frozenset[str | None]]] = []
        self._erasures: dict[str, str | None] = {}

    async def walk(self, known: Sequence[Checkpoint], now: datetime) -> None:
        head = await self._ledger.head(self._name)
        if head is None:
            self._find(None, "the chain’s head is missing")
            head = ChainHead(self._name, 0, genesis(self._name), 1, genesis(self._name))
        stored = [c async for c in self._ledger.checkpoints(chain=self._name) if self._key.is_ours(c)]
        self._check_start(head, stored)
        wanted: dict[int, set[bytes]] = {}
        for checkpoint in (*stored, *known):
            if checkpoint.position >= head.start_position:
                wanted.setdefault(checkpoint.position, set()).add(checkpoint.hash)
        sealed = max((checkpoint.position for checkpoint in stored), default=0)
        position, previous = head.start_position - 1, head.start_hash
        async for entry in self._ledger.records(self._name):
            self._report.records += 1
            if entry.position != position + 1:
                self._find(entry.position, f"records after position {position} are missing or out of place")
            self._check_entry(entry, previous)
            if wanted.pop(entry.position, {entry.hash}) != {entry.hash}:
                self._find(entry.position, "the record differs from what a checkpoint sealed")
            if entry.position > sealed and now - entry.record.at > UNSEALED_LIMIT:
                self._find(entry.position, "no checkpoint covers this record, though one should by now")
            position, previous = entry.position, entry.hash
        if (head.position, head.hash) != (position, previous):
            self._find(position, f"the chain ends here, but its head says position {head.position}")
        for missing in sorted(wanted):
            self._find(missing, "a checkpoint sealed this record, and it is not there")
        self._check_erasures()

    def _check_start(self, head: ChainHead, stored: Sequence[Checkpoint]) -> None:
        starts = [checkpoint for checkpoint in stored if checkpoint.kind is CheckpointKind.START]
        expected = (1, genesis(self._name))
        if starts:
            newest = max(starts, key=lambda checkpoint: checkpoint.number)
            expected = (newest.position + 1, newest.hash)
        if (head.start_position, head.start_hash) != expected:
            self._find(head.start_position, f"the chain should begin at position {expected[0]}")

    def _check_entry(self, entry: ChainedRecord, previous: bytes) -> None:
        record = entry.record
        if chain_name(record.organization_id) != self._name:
            self._find(entry.position, "the record belongs to another organization")
        if entry.sequence <= self._last_sequence:
            self._find(entry.position, "the record was moved within the order of the trail")
        self._last_sequence = entry.sequence
        if entry.hash != link_hash(previous, entry.position, content_hash(record, entry.personal_hash)):
            self._find(entry.position, "the record was changed, or the one before it")
        if record.what == ERASED_VERB:
            self._erasures[record.id] = record.object_id
        if entry.erased_by is not None:
            self._check_erased(entry, entry.erased_by)
        elif entry.salt is None or personal_hash(record, entry.salt) != entry.personal_hash:
            self._find(entry.position, "the record’s words were changed")

    def _check_erased(self, entry: ChainedRecord, erased_by: str) -> None:
        record = entry.record
        self._report.erased += 1
        self._erased.append((erased_by, entry.position, frozenset((record.actor.id, record.object_id))))
        left = (entry.salt, record.actor.name, record.actor.ip, record.sentence, dict(record.detail))
        if left != (None, "", None, ERASED_SENTENCE, {}):
            self._find(entry.position, "something was written into an erased record")

    def _check_erasures(self) -> None:
        for erased_by, position, subjects in self._erased:
            if erased_by not in self._erasures or self._erasures[erased_by] not in subjects:
                self._find(position, "the record was erased, and no record says so")

    def _find(self, position: int | None, problem: str) -> None:
        self._report.add(self._name, position, problem)
