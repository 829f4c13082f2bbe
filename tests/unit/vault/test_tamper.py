"""Swapped and damaged sealed values never open (SR-32, FG-11): some in every run, many by `make tamper`."""

from __future__ import annotations

import itertools
import os
import random
from dataclasses import fields, replace

from ostiary.adapters.keys.file import FileKeyService
from ostiary.core.kernel.entropy import SeededEntropy
from ostiary.core.kernel.secret import Secret
from ostiary.core.vault.errors import SealBroken
from ostiary.core.vault.model import SealContext, Sealed
from ostiary.core.vault.policy import Purpose
from ostiary.core.vault.service import VaultService

ATTEMPTS = int(os.environ.get("TAMPER", "4000"))


def damage(value: bytes, chance: random.Random) -> bytes:
    """Change, cut, lengthen or empty some bytes."""
    kind = chance.randrange(5)
    place = chance.randrange(len(value))
    if kind == 0:
        return value[:place]
    if kind == 1:
        return value + chance.randbytes(1 + place % 7)
    if kind == 2:
        return chance.randbytes(len(value))
    if kind == 3:
        return value[:place] + bytes([value[place] ^ (1 << chance.randrange(8))]) + value[place + 1 :]
    return value[place:] + value[:place] if place else b""


def tampered(rows: list[tuple[Sealed, SealContext]], chance: random.Random) -> tuple[Sealed, SealContext]:
    """Return a value that differs in some way from every one that was sealed, with a place to open it in."""
    (sealed, context), (other, elsewhere) = chance.sample(rows, 2)
    name = chance.choice([field.name for field in fields(Sealed)])
    match chance.randrange(4):
        case 0:
            return sealed, elsewhere
        case 1:
            return replace(sealed, **{name: getattr(other, name)}), context
        case 2 if name in ("wrapped_key", "nonce", "commitment", "ciphertext"):
            return replace(sealed, **{name: damage(getattr(sealed, name), chance)}), context
        case _:
            moved = chance.choice(
                [
                    replace(context, organization_id=f"{context.organization_id}0"),
                    replace(context, owner_id=elsewhere.owner_id + "x"),
                    replace(context, kind="access_token"),
                    replace(context, version=context.version + chance.randrange(1, 100)),
                ]
            )
            return sealed, moved


async def test_no_swapped_or_damaged_value_opens() -> None:
    chance = random.Random(11)
    entropy = SeededEntropy(11)
    roots = {"k1": chance.randbytes(32), "k2": chance.randbytes(32)}
    vaults = [
        VaultService(keys=FileKeyService(current=name, root_keys=roots, entropy=entropy), entropy=entropy)
        for name in roots
    ]
    rows: list[tuple[Sealed, SealContext]] = []
    for number, vault in zip(range(60), itertools.cycle(vaults), strict=False):
        context = SealContext(f"org_{number % 3}", f"con_{number}", "refresh_token", 1 + number % 4)
        rows.append((await vault.seal(Secret(f"token {number}"), context), context))
    genuine = set(rows)
    attempts = opened = 0
    while attempts < ATTEMPTS:
        sealed, context = tampered(rows, chance)
        if (sealed, context) in genuine:
            continue
        attempts += 1
        try:
            purpose = Purpose.USE if context.kind == "access_token" else Purpose.REFRESH
            await vaults[0].open(sealed, context, purpose=purpose)
        except SealBroken:
            continue
        opened += 1
    print(f"{attempts} attempts, {opened} opened")
    assert opened == 0
