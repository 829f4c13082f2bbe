"""The hash chain: what a record's place in it is computed from (SR-73). Pure functions.

Each organization has a chain, and the instance has one for acts that belong to none. What a person may ask us to
erase is not hashed itself but through a salted commitment: erase text and salt, and the chain still closes.
This encoding is stored history: it can be added to as a new version, never changed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from ostiary.core.audit.model import AuditRecord

INSTANCE_CHAIN: Final = "instance"
"""The chain of acts that belong to no organization. Ids of organizations begin with ``org_``."""

SALT_BYTES: Final = 16

ERASED_SENTENCE: Final = "Personal details were erased."
"""What an erased record says instead."""

ERASED_VERB: Final = "audit.erased"
"""The record of an erasure; its object is whose details went."""


@dataclass(frozen=True, slots=True)
class ChainedRecord:
    """A record with its place in the chain."""

    record: AuditRecord
    chain: str
    position: int
    """From 1, without gaps."""
    sequence: int
    """Order over all chains; grows with the position."""
    salt: bytes | None
    """None once the personal details are erased."""
    personal_hash: bytes
    hash: bytes
    erased_by: str | None = None
    """Id of the record that tells of the erasure."""


def chain_name(organization_id: str | None) -> str:
    """Return the chain that a record of this organization belongs to."""
    return organization_id or INSTANCE_CHAIN


def genesis(chain: str) -> bytes:
    """Return what stands in for the hash before the first record."""
    return hashlib.sha256(encode(("ostiary audit chain 1", chain))).digest()


def personal_hash(record: AuditRecord, salt: bytes) -> bytes:
    """Commit to the details that can be erased: name, network address, sentence, details."""
    detail = json.dumps(dict(record.detail), sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    # Not an HMAC under the salt: that pads its key with zeros, so two salts could give one commitment.
    fields = (
        "ostiary audit words 1",
        salt.hex(),
        record.actor.name,
        record.actor.ip,
        record.sentence,
        detail,
    )
    return hashlib.sha256(encode(fields)).digest()


def content_hash(record: AuditRecord, personal: bytes) -> bytes:
    """Return the hash of everything a record says; ``personal`` is its :func:`personal_hash`."""
    fields = (
        "ostiary audit record 1",
        record.id,
        moment(record.at),
        record.actor.kind.value,
        record.actor.id,
        record.actor.request_id,
        record.what,
        record.outcome,
        record.organization_id,
        record.object_id,
        record.reference,
        record.reason,
        personal.hex(),
    )
    return hashlib.sha256(encode(fields)).digest()


def link_hash(previous: bytes, position: int, content: bytes) -> bytes:
    """Return the hash of a chain that ends with this record. The database computes the same in SQL."""
    return hashlib.sha256(previous + position.to_bytes(8, "big") + content).digest()


def moment(at: datetime) -> str:
    """Write a moment in UTC to the microsecond, always in the same form."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def encode(fields: Iterable[str | None]) -> bytes:
    """Join fields so that no two different lists give the same bytes; None differs from empty."""
    parts: list[bytes] = []
    for value in fields:
        raw = b"" if value is None else value.encode()
        parts.append(b"-," if value is None else b"%d:%s," % (len(raw), raw))
    return b"".join(parts)
