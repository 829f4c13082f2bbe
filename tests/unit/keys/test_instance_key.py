"""Keys of the instance itself: stable across rotation, and different for every purpose."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from ostiary.adapters.keys.file import FileKeyService
from ostiary.core.kernel.entropy import SeededEntropy
from ostiary.core.kernel.errors import Misconfigured

OLD = base64.b64encode(bytes(range(32))).decode()
NEW = base64.b64encode(bytes(range(32, 64))).decode()


def load(tmp_path: Path, **document: object) -> FileKeyService:
    path = tmp_path / "keys.json"
    path.unlink(missing_ok=True)
    path.write_text(json.dumps({"format": 1, **document}))
    path.chmod(0o600)
    return FileKeyService.load(path, entropy=SeededEntropy(1))


async def test_instance_keys_differ_by_purpose(tmp_path: Path) -> None:
    keys = load(tmp_path, current="a", keys={"a": OLD})
    assert await keys.instance_key("flows") != await keys.instance_key("api keys")
    assert len(await keys.instance_key("flows")) == 32


async def test_rotating_the_current_key_keeps_the_instance_key(tmp_path: Path) -> None:
    before = await load(tmp_path, current="a", instance="a", keys={"a": OLD}).instance_key("flows")
    renamed = load(tmp_path, current="b", instance="a", keys={"a": OLD, "b": NEW})
    assert await renamed.instance_key("flows") == before
    other = load(tmp_path, current="b", keys={"a": OLD, "b": NEW})
    assert await other.instance_key("flows") != before


def test_an_instance_key_that_is_not_in_the_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="instance key"):
        load(tmp_path, current="a", instance="gone", keys={"a": OLD})
