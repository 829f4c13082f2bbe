"""What is hashed and signed of the trail is written down here for good (SR-73): stored chains must still verify."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from ostiary.core.audit.chain import (
    chain_name,
    content_hash,
    genesis,
    link_hash,
    moment,
    personal_hash,
)
from ostiary.core.audit.checkpoint import Checkpoint, CheckpointKey, CheckpointKind
from ostiary.core.audit.model import Actor, ActorKind, AuditRecord

RECORD = AuditRecord(
    id="aud_1",
    at=datetime(2026, 11, 24, 12, 0, 0, 7, tzinfo=UTC),
    actor=Actor(ActorKind.PERSON, id="mem_dana", name="Dana Okafor", ip="192.0.2.7", request_id="RQ-1"),
    what="member.added",
    sentence="Tom Ellis was added.",
    outcome="done",
    organization_id="org_hv",
    object_id="mem_tom",
    reference="CN-5H2R-9WTB",
    reason="not_admin",
    detail={"how": "console", "größe": "1"},
)
SALT = bytes(range(16))
PERSONAL = personal_hash(RECORD, SALT)


def test_hashes_of_a_stored_record_never_change() -> None:
    assert genesis("org_hv").hex() == "113847b42717dd3dfefaf9ddceca9910f857d3afb27ae4207f8c83f62f9de3b1"
    assert PERSONAL.hex() == "c872d9d8a43a338ed72c401edcba61328704bf17c9193c4122988df46f603c56"
    assert (
        content_hash(RECORD, PERSONAL).hex()
        == "8cdb9a5691e9069caabe25b6eb341cce040a6aad4f2fe4f82c7c02733898fceb"
    )
    assert (
        link_hash(bytes(32), 258, PERSONAL).hex()
        == "b39ba3cdcc0b7d5917dc9deb5fd014f480393d4bfaa66bf13d6cf6b0e31f2d9d"
    )


def test_what_a_stored_checkpoint_signs_never_changes() -> None:
    checkpoint = CheckpointKey(bytes(32)).sign(
        kind=CheckpointKind.SEAL,
        chain="org_hv",
        position=7,
        reached=PERSONAL,
        at=RECORD.at,
        after=None,
    )
    assert checkpoint.message().decode() == (
        "26:ostiary audit checkpoint 1,1:1,4:seal,6:org_hv,1:7,64:c872d9d8a43a338ed72c401edcba613"
        "28704bf17c9193c4122988df46f603c56,27:2026-11-24T12:00:00.000007Z,64:00000000000000000000"
        "00000000000000000000000000000000000000000000,"
    )
    assert checkpoint.signature.hex() == (
        "031633617fc8b0edf36aaf8c540cd4048ad96fa41c55d8d8de4d2bf86aaf226091ec4cb00e10cc96243b38db"
        "7b4ed566cd7da584c1abf027db2d784d6566b700"
    )
    assert checkpoint.digest().hex() == "a070846aec64b016dd18911a788e0a0a9b786d9c611b3cd94974a565b906b264"


@pytest.mark.parametrize(
    "changed",
    [
        replace(RECORD, id="aud_2"),
        replace(RECORD, at=RECORD.at + timedelta(microseconds=1)),
        replace(RECORD, actor=replace(RECORD.actor, kind=ActorKind.SYSTEM)),
        replace(RECORD, actor=replace(RECORD.actor, id="mem_tom")),
        replace(RECORD, actor=replace(RECORD.actor, request_id=None)),
        replace(RECORD, what="member.removed"),
        replace(RECORD, outcome="refused"),
        replace(RECORD, organization_id=None),
        replace(RECORD, object_id=None),
        replace(RECORD, reference=None),
        replace(RECORD, reason=""),
    ],
)
def test_whatever_an_act_says_is_hashed(changed: AuditRecord) -> None:
    assert content_hash(changed, PERSONAL) != content_hash(RECORD, PERSONAL)


@pytest.mark.parametrize(
    "changed",
    [
        replace(RECORD, actor=replace(RECORD.actor, name="Tom Ellis")),
        replace(RECORD, actor=replace(RECORD.actor, ip=None)),
        replace(RECORD, sentence="Nobody was added."),
        replace(RECORD, detail={"how": "api", "größe": "1"}),
    ],
)
def test_whatever_names_a_person_is_hashed_by_itself(changed: AuditRecord) -> None:
    assert personal_hash(changed, SALT) != PERSONAL
    assert content_hash(changed, PERSONAL) == content_hash(RECORD, PERSONAL), "it can be erased"


def test_the_order_of_details_makes_no_difference() -> None:
    turned = replace(RECORD, detail=dict(reversed(list(RECORD.detail.items()))))
    assert list(turned.detail) != list(RECORD.detail)
    assert personal_hash(turned, SALT) == PERSONAL


def test_another_salt_is_another_commitment() -> None:
    assert personal_hash(RECORD, SALT + b"\0") != PERSONAL


def test_a_moment_is_written_in_utc_wherever_it_was_read() -> None:
    there = RECORD.at.astimezone(timezone(timedelta(hours=-5)))
    assert moment(there) == moment(RECORD.at) == "2026-11-24T12:00:00.000007Z"


def test_acts_of_no_organization_are_in_the_chain_of_the_instance() -> None:
    assert (chain_name("org_hv"), chain_name(None)) == ("org_hv", "instance")


def test_checkpoints_are_numbered_and_name_the_one_before() -> None:
    key = CheckpointKey(bytes(32))

    def sign(after: Checkpoint | None) -> Checkpoint:
        return key.sign(
            kind=CheckpointKind.START, chain="instance", position=3, reached=SALT, at=RECORD.at, after=after
        )

    first = sign(None)
    second = sign(first)
    assert (first.number, first.previous) == (1, bytes(32))
    assert (second.number, second.previous) == (2, first.digest())
    assert (second.kind, second.chain, second.position, second.hash, second.at) == (
        CheckpointKind.START,
        "instance",
        3,
        SALT,
        RECORD.at,
    )
    assert key.is_ours(second)
    assert not key.is_ours(replace(second, position=4))
    assert not CheckpointKey(b"\1" * 32).is_ours(second)
    assert len(key.public_bytes) == 32
