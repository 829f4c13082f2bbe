"""The trail as files: one JSON object per line, or CSV; with the proofs of the chain (SR-75)."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final, TextIO

from ostiary.core.audit.chain import ChainedRecord, moment
from ostiary.core.audit.checkpoint import Checkpoint, CheckpointKind
from ostiary.core.kernel.errors import InvalidRequest

COLUMNS: Final = (
    *("chain", "position", "at", "id", "what", "outcome", "sentence", "actor_kind", "actor_id", "actor_name"),
    *("ip", "request_id", "organization_id", "object_id", "ref", "reason", "detail"),
    *("salt", "personal_hash", "hash", "erased_by"),
)

_FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r", "\n")


def record_document(entry: ChainedRecord) -> dict[str, Any]:
    """Return a record and what its place in the chain is computed from."""
    record = entry.record
    return {
        "type": "record",
        "chain": entry.chain,
        "position": entry.position,
        "at": moment(record.at),
        "id": record.id,
        "what": record.what,
        "outcome": record.outcome,
        "sentence": record.sentence,
        "actor_kind": record.actor.kind.value,
        "actor_id": record.actor.id,
        "actor_name": record.actor.name,
        "ip": record.actor.ip,
        "request_id": record.actor.request_id,
        "organization_id": record.organization_id,
        "object_id": record.object_id,
        "ref": record.reference,
        "reason": record.reason,
        "detail": dict(record.detail),
        "salt": None if entry.salt is None else entry.salt.hex(),
        "personal_hash": entry.personal_hash.hex(),
        "hash": entry.hash.hex(),
        "erased_by": entry.erased_by,
    }


def checkpoint_document(checkpoint: Checkpoint) -> dict[str, Any]:
    """Return a checkpoint in full, fit for :func:`read_checkpoints`."""
    return {
        "type": "checkpoint",
        "number": checkpoint.number,
        "kind": checkpoint.kind.value,
        "chain": checkpoint.chain,
        "position": checkpoint.position,
        "hash": checkpoint.hash.hex(),
        "at": moment(checkpoint.at),
        "previous": checkpoint.previous.hex(),
        "signature": checkpoint.signature.hex(),
    }


def read_checkpoints(lines: Iterable[str]) -> list[Checkpoint]:
    """Return the checkpoints among the lines of an export.

    Raises:
        InvalidRequest: A line is no JSON object, or a checkpoint lacks something.
    """
    found: list[Checkpoint] = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            document = json.loads(line)
            if document["type"] == "checkpoint":
                found.append(_checkpoint(document))
        except (ValueError, KeyError, TypeError) as error:
            raise InvalidRequest(f"Line {number} of the file is not from an export as JSON.") from error
    return found


def _checkpoint(document: Mapping[str, Any]) -> Checkpoint:
    return Checkpoint(
        number=int(document["number"]),
        kind=CheckpointKind(document["kind"]),
        chain=str(document["chain"]),
        position=int(document["position"]),
        hash=bytes.fromhex(document["hash"]),
        at=datetime.fromisoformat(document["at"]),
        previous=bytes.fromhex(document["previous"]),
        signature=bytes.fromhex(document["signature"]),
    )


class CSVRecords:
    """Writes records as CSV. Checkpoints have no place in a table and are left out."""

    def __init__(self, file: TextIO) -> None:
        self._writer = csv.writer(file, lineterminator="\r\n")
        self._writer.writerow(COLUMNS)

    def write(self, entry: ChainedRecord) -> None:
        """Write one row."""
        document = record_document(entry)
        document["detail"] = json.dumps(document["detail"], ensure_ascii=False, sort_keys=True)
        self._writer.writerow([guard_formula(document[name]) for name in COLUMNS])


def guard_formula(value: object) -> str:
    """Return the text of a cell, with an apostrophe before what a spreadsheet would take for a formula."""
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text
