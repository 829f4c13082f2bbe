"""The key file: private, well-formed and present, or the service does not start (SR-34, SR-35)."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from ostiary.adapters.keys.file import FileKeyService, create_key_file
from ostiary.core.kernel.entropy import SeededEntropy
from ostiary.core.kernel.errors import Misconfigured
from ostiary.core.vault.errors import SealBroken

ENTROPY = SeededEntropy(11)
GOOD_KEY = base64.b64encode(bytes(range(32))).decode()


def write(path: Path, document: object, mode: int = 0o600) -> Path:
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    path.chmod(mode)
    return path


async def test_a_new_key_file_is_private_and_loads(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "ostiary.json"
    create_key_file(path, name="2026-11", entropy=ENTROPY)
    assert path.stat().st_mode & 0o777 == 0o600
    keys = FileKeyService.load(path, entropy=ENTROPY)
    key_id = await keys.current_key_id(organization_id="org_1")
    assert key_id == "2026-11/org_1"
    wrapped = await keys.wrap(key_id=key_id, data_key=bytes(32), context=b"here")
    assert await keys.unwrap(key_id=key_id, wrapped_key=wrapped, context=b"here") == bytes(32)
    with pytest.raises(SealBroken):
        await keys.unwrap(key_id=key_id, wrapped_key=wrapped, context=b"there")


def test_keys_in_use_are_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    create_key_file(path, name="a", entropy=ENTROPY)
    before = path.read_bytes()
    with pytest.raises(FileExistsError):
        create_key_file(path, name="a", entropy=ENTROPY)
    assert path.read_bytes() == before


@pytest.mark.parametrize("mode", [0o604, 0o640, 0o620, 0o602, 0o644, 0o666, 0o777])
def test_a_key_file_that_others_can_touch_is_refused(tmp_path: Path, mode: int) -> None:
    path = write(tmp_path / "k", {"format": 1, "current": "a", "keys": {"a": GOOD_KEY}}, mode)
    with pytest.raises(Misconfigured, match="chmod 600"):
        FileKeyService.load(path, entropy=ENTROPY)


@pytest.mark.parametrize(
    "document",
    [
        "",
        "not json " + GOOD_KEY,
        [],
        {},
        {"format": 2, "current": "a", "keys": {"a": GOOD_KEY}},
        {"format": 1, "current": "b", "keys": {"a": GOOD_KEY}},
        {"format": 1, "current": "a", "keys": {}},
        {"format": 1, "current": 1, "keys": {"a": GOOD_KEY}},
        {"format": 1, "current": "a", "keys": [GOOD_KEY]},
        {"format": 1, "current": "a", "keys": {"a": GOOD_KEY[:-4]}},
        {"format": 1, "current": "a", "keys": {"a": GOOD_KEY + "AAAA"}},
        {"format": 1, "current": "a", "keys": {"a": "*" * 44}},
        {"format": 1, "current": "a", "keys": {"a": base64.b64encode(bytes(32)).decode()}},
        {"format": 1, "current": "a", "keys": {"a": GOOD_KEY, "b": None}},
        {"format": 1, "current": "a/b", "keys": {"a/b": GOOD_KEY}},
        " " * 70_000,
    ],
)
def test_a_malformed_key_file_is_refused_without_quoting_it(tmp_path: Path, document: object) -> None:
    path = write(tmp_path / "k", document)
    with pytest.raises(Misconfigured) as caught:
        FileKeyService.load(path, entropy=ENTROPY)
    assert GOOD_KEY[:20] not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_missing_key_file_or_a_folder_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(Misconfigured):
            FileKeyService.load(path, entropy=ENTROPY)


async def test_organizations_and_root_keys_give_different_keys() -> None:
    keys = FileKeyService(
        current="a", root_keys={"a": bytes(range(32)), "b": bytes(range(1, 33))}, entropy=ENTROPY
    )
    wrapped = await keys.wrap(key_id="a/org_1", data_key=bytes(32), context=b"")
    for other in ("a/org_2", "b/org_1", "c/org_1", "a/", "a", ""):
        with pytest.raises(SealBroken):
            await keys.unwrap(key_id=other, wrapped_key=wrapped, context=b"")
