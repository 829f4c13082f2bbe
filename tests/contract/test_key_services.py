"""One suite for every key service: a file, AWS KMS (moto over HTTP) and Transit (a real OpenBao) (SR-35)."""

from __future__ import annotations

import logging
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import boto3
import httpx
import pytest
import pytest_asyncio
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key, load_pem_public_key
from tests.contract.key_servers import OpenBao, find_openbao, free_port, running_openbao

from ostiary.adapters.keys.aws_kms import KMSKeyService
from ostiary.adapters.keys.file import FileKeyService, create_key_file
from ostiary.adapters.keys.transit import TransitKeyService
from ostiary.adapters.memory.key_service import MemoryKeyService
from ostiary.core.kernel.entropy import SystemEntropy
from ostiary.core.kernel.errors import Misconfigured, TemporarilyUnavailable
from ostiary.core.kernel.secret import Secret
from ostiary.core.vault.errors import SealBroken
from ostiary.core.vault.model import KeyFate, SealContext
from ostiary.core.vault.policy import Purpose
from ostiary.core.vault.ports import KeyService
from ostiary.core.vault.service import VaultService

BACK_ENDS = ("memory", "file", "aws-kms", "transit")
REGION = "eu-west-1"
DATA_KEY = bytes(range(32))
HERE = b"\x00\x00\x00\x05here!"


@dataclass(frozen=True, slots=True)
class Bench:
    """One back end under test."""

    keys: KeyService
    again: Callable[[], KeyService]
    """The same keys as another process would open them."""
    down: Callable[[], KeyService] | None
    """The same service, but nobody answers; None where there is nobody to ask."""
    fate: KeyFate
    refusals: tuple[type[Exception], ...] = (SealBroken,)
    """What a wrong key raises. moto answers AccessDenied where KMS answers IncorrectKey."""
    signing_key: Callable[[], tuple[str, RSAPublicKey]] | None = None
    """Makes a key for signing; None where the back end has none."""
    has_longest_salt: bool = False
    """moto salts signatures as long as it can, KMS as long as the hash (AWS KMS, RSASSA-PSS signing algorithms)."""
    key_state: Callable[[str], str] | None = None
    """State of a key, where only that can be looked at: moto goes on using keys that wait for deletion."""


@pytest.fixture(scope="module")
def kms_url() -> Iterator[str]:
    from moto.server import ThreadedMotoServer

    # Its access log would be all that a failing test shows.
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(scope="module")
def openbao(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenBao]:
    program = find_openbao()
    if program is None:
        pytest.skip("no OpenBao server here; run scripts/install-openbao.sh")
    with running_openbao(program, tmp_path_factory.mktemp("openbao")) as server:
        yield server


@pytest_asyncio.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(trust_env=False) as session:
        yield session


@pytest.fixture(params=BACK_ENDS)
def bench(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    http: aiohttp.ClientSession,
    monkeypatch: pytest.MonkeyPatch,
) -> Bench:
    entropy = SystemEntropy()
    if request.param == "memory":
        memory = MemoryKeyService(entropy)

        def silent() -> KeyService:
            memory.is_down = True
            return memory

        def memory_key() -> tuple[str, RSAPublicKey]:
            memory.signing_keys["app"] = rsa.generate_private_key(public_exponent=65537, key_size=2048)
            return "app", memory.signing_keys["app"].public_key()

        return Bench(memory, lambda: memory, silent, KeyFate.DESTROYED, signing_key=memory_key)
    if request.param == "file":
        path = tmp_path / "keys.json"
        create_key_file(path, name="2026-11", entropy=entropy)

        def load() -> KeyService:
            return FileKeyService.load(path, entropy=entropy)

        return Bench(load(), load, None, KeyFate.KEPT)
    prefix = f"t{uuid.uuid4().hex[:8]}"
    if request.param == "aws-kms":
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.setenv(name, "testing")
        url: str = request.getfixturevalue("kms_url")

        def connect(endpoint: str = url) -> KeyService:
            return KMSKeyService.connect(region=REGION, endpoint_url=endpoint, prefix=prefix)

        nobody = f"http://127.0.0.1:{free_port()}"

        def key_state(key_id: str) -> str:
            client = boto3.client("kms", region_name=REGION, endpoint_url=url)
            return str(client.describe_key(KeyId=key_id)["KeyMetadata"]["KeyState"])

        def kms_key() -> tuple[str, RSAPublicKey]:
            client = boto3.client("kms", region_name=REGION, endpoint_url=url)
            made = client.create_key(KeySpec="RSA_2048", KeyUsage="SIGN_VERIFY")["KeyMetadata"]["KeyId"]
            alias = f"alias/{prefix}/app"
            client.create_alias(AliasName=alias, TargetKeyId=made)
            return alias, rsa_key(load_der_public_key(client.get_public_key(KeyId=made)["PublicKey"]))

        return Bench(
            connect(),
            connect,
            lambda: connect(nobody),
            KeyFate.SCHEDULED,
            (SealBroken, Misconfigured),
            kms_key,
            has_longest_salt=True,
            key_state=key_state,
        )
    server: OpenBao = request.getfixturevalue("openbao")

    def call(url: str = server.url) -> KeyService:
        return TransitKeyService(http, url=url, token_file=server.token_file, prefix=prefix)

    silence = f"http://127.0.0.1:{free_port()}"

    def transit_key() -> tuple[str, RSAPublicKey]:
        address = f"{server.url}/v1/transit/keys/{prefix}-app"
        headers = {"X-Vault-Token": server.token_file.read_text().strip()}
        httpx.post(address, headers=headers, json={"type": "rsa-2048"}, trust_env=False).raise_for_status()
        httpx.post(f"{address}/rotate", headers=headers, trust_env=False).raise_for_status()
        made = httpx.get(address, headers=headers, trust_env=False).json()["data"]["keys"]
        # The older version: a certificate stays with the key it was made for.
        return f"{prefix}-app:v1", rsa_key(load_pem_public_key(made["1"]["public_key"].encode()))

    return Bench(call(), call, lambda: call(silence), KeyFate.DESTROYED, signing_key=transit_key)


def rsa_key(key: object) -> RSAPublicKey:
    """Return the key, which is RSA."""
    assert isinstance(key, RSAPublicKey)
    return key


async def test_a_signature_is_ps256_by_the_key_that_was_named(bench: Bench) -> None:
    if bench.signing_key is None:
        with pytest.raises(Misconfigured, match="signs nothing"):
            await bench.keys.sign(key_name="app", message=b"message")
        return
    name, public_key = bench.signing_key()
    message = b"x" * 4096
    signature = await bench.keys.sign(key_name=name, message=message)
    salt_length = padding.PSS.MAX_LENGTH if bench.has_longest_salt else 32
    pss = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=salt_length)
    public_key.verify(signature, message, pss, hashes.SHA256())
    with pytest.raises(InvalidSignature):
        public_key.verify(signature, message + b"x", pss, hashes.SHA256())
    with pytest.raises(Misconfigured):
        await bench.keys.sign(key_name="no-such-key", message=message)
    assert bench.down is not None
    with pytest.raises(TemporarilyUnavailable):
        await bench.down().sign(key_name=name, message=message)


async def test_a_data_key_comes_back_in_its_own_context(bench: Bench) -> None:
    key_id = await bench.keys.current_key_id(organization_id="org_1")
    wrapped = await bench.keys.wrap(key_id=key_id, data_key=DATA_KEY, context=HERE)
    assert DATA_KEY not in wrapped
    assert await bench.keys.unwrap(key_id=key_id, wrapped_key=wrapped, context=HERE) == DATA_KEY
    assert await bench.again().unwrap(key_id=key_id, wrapped_key=wrapped, context=HERE) == DATA_KEY


async def test_wrapping_twice_gives_different_bytes(bench: Bench) -> None:
    key_id = await bench.keys.current_key_id(organization_id="org_1")
    first = await bench.keys.wrap(key_id=key_id, data_key=DATA_KEY, context=HERE)
    assert await bench.keys.wrap(key_id=key_id, data_key=DATA_KEY, context=HERE) != first


async def test_another_context_key_or_byte_opens_nothing(bench: Bench) -> None:
    key_id = await bench.keys.current_key_id(organization_id="org_1")
    other_id = await bench.keys.current_key_id(organization_id="org_2")
    wrapped = await bench.keys.wrap(key_id=key_id, data_key=DATA_KEY, context=HERE)
    damaged = [
        wrapped[:position] + bytes([wrapped[position] ^ 1]) + wrapped[position + 1 :]
        for position in {0, 11, 12, 13, len(wrapped) // 2, len(wrapped) - 1}
    ]
    attempts = [(key_id, wrapped, b"there"), (key_id, wrapped, b""), (other_id, wrapped, HERE)]
    attempts += [(name, wrapped, HERE) for name in ("", "x", "gone/org_1", "gone-org_1:v1", "2026-11/org_3")]
    attempts += [(key_id, each, HERE) for each in [*damaged, b"", wrapped[:-1], wrapped[:5], b"\xff" * 60]]
    for name, bytes_, context in attempts:
        with pytest.raises(bench.refusals):
            await bench.keys.unwrap(key_id=name, wrapped_key=bytes_, context=context)


async def test_each_organization_has_a_key_of_its_own_and_keeps_it(bench: Bench) -> None:
    first = await bench.keys.current_key_id(organization_id="org_1")
    assert await bench.keys.current_key_id(organization_id="org_2") != first
    assert await bench.again().current_key_id(organization_id="org_1") == first


async def test_what_was_wrapped_before_a_rotation_still_opens(bench: Bench) -> None:
    old = await bench.keys.current_key_id(organization_id="org_1")
    before = await bench.keys.wrap(key_id=old, data_key=DATA_KEY, context=HERE)
    await bench.keys.rotate(organization_ids=["org_1"])
    new = await bench.keys.current_key_id(organization_id="org_1")
    assert new != old
    after = await bench.keys.wrap(key_id=new, data_key=DATA_KEY, context=HERE)
    for keys in (bench.keys, bench.again()):
        assert await keys.current_key_id(organization_id="org_1") == new
        assert await keys.unwrap(key_id=old, wrapped_key=before, context=HERE) == DATA_KEY
        assert await keys.unwrap(key_id=new, wrapped_key=after, context=HERE) == DATA_KEY
    # Each value opens under exactly one named key.
    for name, wrapped in ((old, after), (new, before)):
        with pytest.raises(bench.refusals):
            await bench.keys.unwrap(key_id=name, wrapped_key=wrapped, context=HERE)


async def test_after_destroying_an_organizations_keys_nothing_of_it_opens(bench: Bench) -> None:
    old = await bench.keys.current_key_id(organization_id="org_1")
    before = await bench.keys.wrap(key_id=old, data_key=DATA_KEY, context=HERE)
    await bench.keys.rotate(organization_ids=["org_1"])
    new = await bench.keys.current_key_id(organization_id="org_1")
    after = await bench.keys.wrap(key_id=new, data_key=DATA_KEY, context=HERE)
    # "org_1" begins this one's name too: erasing one must not reach the other.
    neighbour = await bench.keys.current_key_id(organization_id="org_10")
    kept = await bench.keys.wrap(key_id=neighbour, data_key=DATA_KEY, context=HERE)

    assert await bench.keys.destroy(organization_id="org_1") is bench.fate
    assert await bench.keys.destroy(organization_id="org_1") is bench.fate

    assert await bench.keys.unwrap(key_id=neighbour, wrapped_key=kept, context=HERE) == DATA_KEY
    if bench.fate is KeyFate.KEPT:
        return
    if bench.key_state is not None:
        assert [bench.key_state(each) for each in (old, new, neighbour)] == [
            "PendingDeletion",
            "PendingDeletion",
            "Enabled",
        ]
        return
    for key_id, wrapped in ((old, before), (new, after)):
        for keys in (bench.keys, bench.again()):
            with pytest.raises((SealBroken, TemporarilyUnavailable)):
                await keys.unwrap(key_id=key_id, wrapped_key=wrapped, context=HERE)


async def test_instance_keys_are_the_same_in_every_process_and_differ_by_purpose(bench: Bench) -> None:
    flows = await bench.keys.instance_key("flows")
    assert len(flows) == 32
    assert await bench.again().instance_key("flows") == flows
    assert await bench.keys.instance_key("api keys") != flows
    await bench.keys.rotate(organization_ids=["org_1"])
    assert await bench.again().instance_key("flows") == flows
    await bench.keys.health()


async def test_a_silent_key_service_is_an_outage_and_never_a_fallback(bench: Bench) -> None:
    if bench.down is None:
        return
    vault = VaultService(keys=bench.keys, entropy=SystemEntropy())
    context = SealContext("org_1", "con_1", "refresh_token", 1)
    sealed = await vault.seal(Secret("clear"), context)
    key_id = sealed.key_id
    down = bench.down()
    silent = VaultService(keys=down, entropy=SystemEntropy())
    for call in (
        silent.open(sealed, context, purpose=Purpose.REFRESH),
        silent.seal(Secret("clear"), context),
        silent.health(),
        down.current_key_id(organization_id="org_7"),
        down.wrap(key_id=key_id, data_key=DATA_KEY, context=HERE),
        down.rotate(organization_ids=["org_1"]),
        down.destroy(organization_id="org_1"),
        down.instance_key("flows"),
    ):
        with pytest.raises(TemporarilyUnavailable):
            await call


@pytest.mark.parametrize("name", ["", "../x", "a/b", "a b", "org_1\n", "ü", "x" * 101])
async def test_no_organization_id_can_lead_to_another_key(bench: Bench, name: str) -> None:
    if isinstance(bench.keys, FileKeyService | MemoryKeyService):
        return
    with pytest.raises(ValueError, match="organization id"):
        await bench.keys.current_key_id(organization_id=name)


async def test_a_vault_works_on_every_back_end(bench: Bench) -> None:
    vault = VaultService(keys=bench.keys, entropy=SystemEntropy())
    context = SealContext("org_1", "con_1", "refresh_token", 1)
    sealed = await vault.seal(Secret("clear"), context)
    assert (await vault.open(sealed, context, purpose=Purpose.REFRESH)).reveal() == "clear"
    with pytest.raises(SealBroken):
        await vault.open(sealed, SealContext("org_1", "con_2", "refresh_token", 1), purpose=Purpose.REFRESH)


async def test_transit_refuses_a_dead_token_and_says_so(
    openbao: OpenBao, http: aiohttp.ClientSession, tmp_path: Path
) -> None:
    dead = tmp_path / "token"
    dead.write_text("s.not-a-token")
    keys = TransitKeyService(http, url=openbao.url, token_file=dead)
    with pytest.raises(Misconfigured, match="403"):
        await keys.current_key_id(organization_id="org_1")
    dead.write_text(" \n")
    with pytest.raises(Misconfigured, match="no token"):
        await keys.health()


async def test_transit_takes_a_renewed_token_without_a_restart(
    openbao: OpenBao, http: aiohttp.ClientSession, tmp_path: Path
) -> None:
    file = tmp_path / "token"
    file.write_text("s.old")
    keys = TransitKeyService(http, url=openbao.url, token_file=file)
    with pytest.raises(Misconfigured):
        await keys.instance_key("flows")
    file.write_text(openbao.token_file.read_text())
    assert len(await keys.instance_key("flows")) == 32


async def test_transit_without_its_engine_says_so(openbao: OpenBao, http: aiohttp.ClientSession) -> None:
    keys = TransitKeyService(http, url=openbao.url, token_file=openbao.token_file, mount="elsewhere")
    with pytest.raises(Misconfigured, match="404"):
        await keys.current_key_id(organization_id="org_1")
