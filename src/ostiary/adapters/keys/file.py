"""Key-encryption keys from a file outside the database and its backups (SR-35).

The file is JSON: ``{"format": 1, "current": "2026-11", "instance": "2026-11", "keys": {"2026-11": "<32 bytes, base64>"}}``.
Each organization's key is derived from a named root key, so one file serves any number of organizations. A key id
reads ``2026-11/org_…``: to rotate, add a root key, name it ``current``, and keep the old one until nothing is
wrapped under it any more. ``rotate`` does that; processes that run already read the changed file by themselves.

Keys of the instance itself (hashes of API keys, secrets of pending sign-ins) come from the root key that
``instance`` names, or from ``current`` when it is left out. Naming another one there makes every API key invalid.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import re
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self, cast

import structlog
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from ostiary.core.kernel.clock import Clock, SystemClock
from ostiary.core.kernel.entropy import Entropy
from ostiary.core.kernel.errors import Misconfigured
from ostiary.core.vault.errors import SealBroken
from ostiary.core.vault.model import KeyFate

FILE_FORMAT: Final = 1
KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12
_FILE_BYTES_LIMIT: Final = 64 * 1024
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_ORGANIZATION_KEY: Final = b"ostiary organization key "
_INSTANCE_KEY: Final = b"ostiary instance key "

log = structlog.get_logger("ostiary.keys")


@dataclass(frozen=True, slots=True, repr=False)
class _Roots:
    """What one version of the key file says."""

    current: str
    instance: str
    keys: Mapping[str, bytes]


class FileKeyService:
    """Wraps data keys under per-organization keys derived from root keys held in memory."""

    def __init__(
        self,
        *,
        current: str,
        root_keys: Mapping[str, bytes],
        entropy: Entropy,
        instance: str | None = None,
        path: Path | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._roots = _Roots(current, instance or current, dict(root_keys))
        self._entropy = entropy
        self._path = path
        self._clock = clock or SystemClock()
        self._seen = _mark(path) if path is not None else None

    @classmethod
    def load(cls, path: Path, *, entropy: Entropy, clock: Clock | None = None) -> Self:
        """Read the key file.

        Raises:
            Misconfigured: The file is missing, open to other users of the machine, or malformed. The service
                must not start without it (SR-34).
        """
        roots = _read(path)
        return cls(
            current=roots.current,
            root_keys=roots.keys,
            entropy=entropy,
            instance=roots.instance,
            path=path,
            clock=clock,
        )

    async def current_key_id(self, *, organization_id: str) -> str:
        self._read_again_if_changed()
        return f"{self._roots.current}/{organization_id}"

    async def wrap(self, *, key_id: str, data_key: bytes, context: bytes) -> bytes:
        nonce = self._entropy.token_bytes(_NONCE_BYTES)
        return nonce + AESGCM(self._organization_key(key_id)).encrypt(nonce, data_key, context)

    async def unwrap(self, *, key_id: str, wrapped_key: bytes, context: bytes) -> bytes:
        nonce, encrypted = wrapped_key[:_NONCE_BYTES], wrapped_key[_NONCE_BYTES:]
        if len(nonce) != _NONCE_BYTES:
            raise SealBroken("This wrapped key is damaged.")
        try:
            return AESGCM(self._organization_key(key_id)).decrypt(nonce, encrypted, context)
        except InvalidTag:
            raise SealBroken("This wrapped key is damaged.") from None

    async def rotate(self, *, organization_ids: Sequence[str]) -> None:
        """Add a root key to the file and make it current for everybody.

        Raises:
            Misconfigured: The file cannot be written from here.
        """
        if self._path is None:
            raise Misconfigured("These keys are not kept in a file that could be changed.")
        roots = _read(self._path)
        name = _free_name(self._clock.now().strftime("%Y-%m"), roots.keys)
        changed = _Roots(name, roots.instance, {**roots.keys, name: self._entropy.token_bytes(KEY_BYTES)})
        _replace(self._path, changed)
        self._read_again_if_changed()

    async def destroy(self, *, organization_id: str) -> KeyFate:
        """Organizations' keys are derived from one root: none of them can be given up by itself."""
        return KeyFate.KEPT

    async def instance_key(self, purpose: str) -> bytes:
        info = _INSTANCE_KEY + purpose.encode()
        root = self._roots.keys[self._roots.instance]
        return HKDF(algorithm=hashes.SHA256(), length=KEY_BYTES, salt=None, info=info).derive(root)

    async def sign(self, *, key_name: str, message: bytes) -> bytes:
        del key_name, message
        raise Misconfigured(
            "A key file signs nothing: name the app's own key file, or use another key service."
        )

    async def health(self) -> None:
        """Keys are in memory: there is nothing that could be down."""

    def _organization_key(self, key_id: str) -> bytes:
        name, separator, organization_id = key_id.partition("/")
        if name not in self._roots.keys:
            # Another process may have rotated: its values must not look like tampering here.
            self._read_again_if_changed()
        root = self._roots.keys.get(name)
        if root is None or not separator or not organization_id:
            raise SealBroken("This value is wrapped under a key that the key file does not hold.")
        info = _ORGANIZATION_KEY + organization_id.encode()
        return HKDF(algorithm=hashes.SHA256(), length=KEY_BYTES, salt=None, info=info).derive(root)

    def _read_again_if_changed(self) -> None:
        """Take over a changed file; keys we hold already stay, so that a bad edit never closes the vault."""
        if self._path is None:
            return
        seen = _mark(self._path)
        if seen is None or seen == self._seen:
            return
        try:
            roots = _read(self._path)
        except Misconfigured as error:
            log.error("the changed key file is not used", why=error.message)
        else:
            self._roots = _Roots(roots.current, roots.instance, {**self._roots.keys, **roots.keys})
        self._seen = seen


def create_key_file(path: Path, *, name: str, entropy: Entropy) -> None:
    """Write a new key file with one root key, readable by this user only.

    Raises:
        FileExistsError: Keys in use must never be overwritten: everything sealed under them would be lost.
    """
    if _NAME.fullmatch(name) is None:
        raise ValueError("a key name is 1 to 64 letters, digits, dots, dashes and underscores")
    path.parent.mkdir(parents=True, exist_ok=True)
    _write_new(path, _Roots(name, name, {name: entropy.token_bytes(KEY_BYTES)}))


def _write_new(path: Path, roots: _Roots) -> None:
    """Write a file that must not exist yet, and return once it would survive a power cut."""
    document = {
        "format": FILE_FORMAT,
        "current": roots.current,
        "instance": roots.instance,
        "keys": {name: base64.b64encode(key).decode() for name, key in roots.keys.items()},
    }
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(document, file, indent=2)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())


def _replace(path: Path, roots: _Roots) -> None:
    """Swap the file in one step: a crash leaves the old or the new one, never half of each."""
    # The name is fixed on purpose: of two rotations at the same time one fails instead of being lost.
    draft = path.with_name(f".{path.name}.new")
    try:
        _write_new(draft, roots)
        draft.replace(path)
    except FileExistsError:
        raise Misconfigured(
            f"Another rotation runs, or one was cut off: look at {draft} and remove it."
        ) from None
    except OSError as error:
        raise Misconfigured(f"The key file {path} cannot be changed: {error.strerror}.") from error


def _free_name(wanted: str, taken: Mapping[str, bytes]) -> str:
    if wanted not in taken:
        return wanted
    number = 2
    while f"{wanted}.{number}" in taken:
        number += 1
    return f"{wanted}.{number}"


def _mark(path: Path) -> tuple[int, int, int] | None:
    """Return what changes when the file does, or None while it cannot be looked at."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size


def _read(path: Path) -> _Roots:
    document = _parse(path, _read_private(path))
    current = document.get("current")
    instance = document.get("instance", current)
    keys = document.get("keys")
    if not isinstance(current, str) or not isinstance(instance, str) or not isinstance(keys, dict):
        raise Misconfigured(f"The key file {path} is malformed.")
    named = cast(dict[object, object], keys)
    root_keys = {str(name): _decode(path, name, value) for name, value in named.items()}
    if current not in root_keys:
        raise Misconfigured(f"The key file {path} names a current key that it does not hold.")
    if instance not in root_keys:
        raise Misconfigured(f"The key file {path} names an instance key that it does not hold.")
    return _Roots(current, instance, root_keys)


def _read_private(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            # Asked of the open file, so that nobody can swap it between the check and the reading.
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise Misconfigured(f"The key file {path} is not a regular file.")
            if stat.S_IMODE(status.st_mode) & 0o077:
                raise Misconfigured(f"The key file {path} is open to other users; run: chmod 600 {path}")
            content = file.read(_FILE_BYTES_LIMIT + 1)
    except OSError as error:
        raise Misconfigured(f"The key file {path} cannot be read: {error.strerror}.") from error
    if len(content) > _FILE_BYTES_LIMIT:
        raise Misconfigured(f"The key file {path} is malformed.")
    return content


def _parse(path: Path, content: bytes) -> dict[str, Any]:
    try:
        document = json.loads(content)
    except ValueError:
        # Not chained: the error quotes the document, and the document is all keys.
        raise Misconfigured(f"The key file {path} is malformed.") from None
    if not isinstance(document, dict):
        raise Misconfigured(f"The key file {path} is malformed.")
    fields = cast(dict[str, Any], document)
    if fields.get("format") != FILE_FORMAT:
        raise Misconfigured(f"The key file {path} has a format we do not know.")
    return fields


def _decode(path: Path, name: object, value: object) -> bytes:
    if not isinstance(name, str) or _NAME.fullmatch(name) is None or not isinstance(value, str):
        raise Misconfigured(f"The key file {path} is malformed.")
    try:
        key = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        raise Misconfigured(f"The key file {path}: key {name} is malformed.") from None
    if len(key) != KEY_BYTES or len(set(key)) == 1:
        raise Misconfigured(f"The key file {path}: key {name} must be {KEY_BYTES} random bytes in base64.")
    return key
