"""Every kind of work × purpose × kind of secret: what may be opened, and nothing else (SR-40)."""

from __future__ import annotations

import itertools

import pytest

from ostiary.adapters.keys.file import FileKeyService
from ostiary.core.kernel.entropy import SeededEntropy
from ostiary.core.kernel.reach import NOTHING, Duty, Reach, declared, instance_wide
from ostiary.core.kernel.secret import Secret
from ostiary.core.vault.model import SealContext
from ostiary.core.vault.policy import OpeningRefused, Purpose
from ostiary.core.vault.service import VaultService

KINDS = ("refresh_token", "access_token", "idempotent_answer", "something_new")

# Written out, so that a change of the policy has to be made twice, once on purpose.
OPENED = {
    (Duty.RECORDS, Purpose.REPLAY, "idempotent_answer"),
    (Duty.MAILBOX, Purpose.REPLAY, "idempotent_answer"),
    (Duty.MAILBOX, Purpose.USE, "access_token"),
    (Duty.MAILBOX, Purpose.REFRESH, "refresh_token"),
    (Duty.WORKER, Purpose.USE, "access_token"),
    (Duty.WORKER, Purpose.REFRESH, "refresh_token"),
    (Duty.WORKER, Purpose.REWRAP, "refresh_token"),
    (Duty.COMMAND, Purpose.USE, "access_token"),
    (Duty.COMMAND, Purpose.REFRESH, "refresh_token"),
    (Duty.COMMAND, Purpose.REWRAP, "refresh_token"),
}


class CountingKeys(FileKeyService):
    """Counts what reaches the keys."""

    unwrapped = 0

    async def unwrap(self, *, key_id: str, wrapped_key: bytes, context: bytes) -> bytes:
        self.unwrapped += 1
        return await super().unwrap(key_id=key_id, wrapped_key=wrapped_key, context=context)


@pytest.fixture
def keys() -> CountingKeys:
    return CountingKeys(current="k1", root_keys={"k1": b"0123456789abcdef" * 2}, entropy=SeededEntropy(1))


@pytest.mark.parametrize(("duty", "purpose", "kind"), list(itertools.product(Duty, Purpose, KINDS)))
async def test_exactly_the_written_openings_are_allowed(
    keys: CountingKeys, duty: Duty, purpose: Purpose, kind: str
) -> None:
    vault = VaultService(keys=keys, entropy=SeededEntropy(1))
    context = SealContext("org_1", "con_1", kind, 1)
    sealed = await vault.seal(Secret("clear"), context)
    for reach in (instance_wide(duty), Reach(duty, "org_1")):
        with declared(reach):
            if (duty, purpose, kind) in OPENED:
                assert (await vault.open(sealed, context, purpose=purpose)).reveal() == "clear"
            else:
                before = keys.unwrapped
                with pytest.raises(OpeningRefused):
                    await vault.open(sealed, context, purpose=purpose)
                assert keys.unwrapped == before


@pytest.mark.parametrize("purpose", Purpose)
@pytest.mark.parametrize("kind", KINDS)
async def test_work_that_declared_nothing_opens_nothing(
    keys: CountingKeys, purpose: Purpose, kind: str
) -> None:
    vault = VaultService(keys=keys, entropy=SeededEntropy(1))
    context = SealContext("org_1", "con_1", kind, 1)
    sealed = await vault.seal(Secret("clear"), context)
    with declared(NOTHING), pytest.raises(OpeningRefused):
        await vault.open(sealed, context, purpose=purpose)


@pytest.mark.parametrize("duty", [Duty.PAGES, Duty.RECORDS, Duty.MAILBOX])
async def test_no_request_wraps_anew(keys: CountingKeys, duty: Duty) -> None:
    vault = VaultService(keys=keys, entropy=SeededEntropy(1))
    context = SealContext("org_1", "con_1", "refresh_token", 1)
    sealed = await vault.seal(Secret("clear"), context)
    with declared(instance_wide(duty)), pytest.raises(OpeningRefused):
        await vault.seal_again(sealed, context)
