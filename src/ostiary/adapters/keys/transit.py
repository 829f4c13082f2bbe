"""Key-encryption keys in the Transit engine of HashiCorp Vault or OpenBao: one key per organization, with versions.

A key id reads ``ostiary-org_…:v3``. What a data key is bound to goes into Transit's associated data, which AES-GCM
authenticates. Rotation makes a new version; erasing an organization deletes its key with every version.

Source: OpenBao and Vault API documentation, Transit secrets engine (encrypt, decrypt, keys, rotate, config, hmac, sign)
and ``sys/health``.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, cast

import aiohttp

from ostiary.adapters.keys.names import require_name
from ostiary.core.kernel.errors import Misconfigured, TemporarilyUnavailable
from ostiary.core.vault.errors import SealBroken
from ostiary.core.vault.model import KeyFate

_CALL_SECONDS: Final = 10.0
_REMEMBER_SECONDS: Final = 60.0
_ANSWER_BYTES_LIMIT: Final = 64 * 1024
_TOKEN_BYTES_LIMIT: Final = 4096
_KEY_ID: Final = re.compile(r"(?P<name>[A-Za-z0-9_-]{1,160}):v(?P<version>[1-9][0-9]{0,8})")
_SIGNING_KEY: Final = re.compile(r"(?P<name>[A-Za-z0-9_-]{1,160})(:v(?P<version>[1-9][0-9]{0,8}))?")
_KEY_TYPE: Final = "aes256-gcm96"


class TransitKeyService:
    """Wraps data keys by calls to Transit over HTTP.

    The token file is read for every call, because the agent that keeps it fresh replaces it.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        *,
        url: str,
        token_file: Path,
        mount: str = "transit",
        namespace: str | None = None,
        prefix: str = "ostiary",
    ) -> None:
        self._session = session
        self._url = url.rstrip("/")
        self._token_file = token_file
        self._mount = mount.strip("/")
        self._namespace = namespace
        self._prefix = prefix
        self._current: dict[str, tuple[str, float]] = {}

    async def current_key_id(self, *, organization_id: str) -> str:
        known = self._current.get(organization_id)
        if known is not None and time.monotonic() < known[1]:
            return known[0]
        name = self._name(organization_id)
        version = await self._latest_version(name)
        if version is None:
            # Making a key that is there already changes nothing, so two processes may do it at once.
            await self._call("POST", f"keys/{name}", {"type": _KEY_TYPE})
            version = await self._latest_version(name)
        if version is None:
            raise TemporarilyUnavailable("Transit does not have the key it just made.")
        key_id = f"{name}:v{version}"
        self._current[organization_id] = (key_id, time.monotonic() + _REMEMBER_SECONDS)
        return key_id

    async def wrap(self, *, key_id: str, data_key: bytes, context: bytes) -> bytes:
        name, version = _parts(key_id)
        answer = await self._call(
            "POST",
            f"encrypt/{name}",
            {"plaintext": _text(data_key), "associated_data": _text(context), "key_version": version},
        )
        ciphertext = _field(answer, "ciphertext")
        if not ciphertext.startswith(f"vault:v{version}:"):
            raise TemporarilyUnavailable("Transit encrypted under another version than asked.")
        return ciphertext.encode("ascii")

    async def unwrap(self, *, key_id: str, wrapped_key: bytes, context: bytes) -> bytes:
        name, version = _parts(key_id)
        try:
            ciphertext = wrapped_key.decode("ascii")
        except UnicodeDecodeError:
            raise SealBroken("This wrapped key is damaged.") from None
        if not ciphertext.startswith(f"vault:v{version}:"):
            raise SealBroken("This wrapped key is damaged.")
        answer = await self._call(
            "POST",
            f"decrypt/{name}",
            {"ciphertext": ciphertext, "associated_data": _text(context)},
            bad_request=SealBroken("This wrapped key is damaged."),
        )
        return _bytes(_field(answer, "plaintext"))

    async def rotate(self, *, organization_ids: Sequence[str]) -> None:
        for organization_id in organization_ids:
            name = self._name(organization_id)
            if await self._latest_version(name) is None:
                await self._call("POST", f"keys/{name}", {"type": _KEY_TYPE})
            await self._call("POST", f"keys/{name}/rotate", {})
            self._current.pop(organization_id, None)

    async def destroy(self, *, organization_id: str) -> KeyFate:
        name = self._name(organization_id)
        self._current.pop(organization_id, None)
        if await self._latest_version(name) is not None:
            await self._call("POST", f"keys/{name}/config", {"deletion_allowed": True})
            await self._call("DELETE", f"keys/{name}", None)
        return KeyFate.DESTROYED

    async def instance_key(self, purpose: str) -> bytes:
        name = f"{self._prefix}-instance"
        if await self._latest_version(name) is None:
            await self._call("POST", f"keys/{name}", {"type": _KEY_TYPE})
        answer = await self._call(
            "POST",
            f"hmac/{name}",
            {
                "input": _text(f"ostiary instance key {purpose}".encode()),
                "algorithm": "sha2-256",
                # Fixed, so that rotating the key does not make every API key invalid.
                "key_version": 1,
            },
        )
        return _bytes(_field(answer, "hmac").removeprefix("vault:v1:"))

    async def sign(self, *, key_name: str, message: bytes) -> bytes:
        match = _SIGNING_KEY.fullmatch(key_name)
        if match is None:
            raise Misconfigured("The signing key's name must be a Transit key, such as app or app:v2.")
        version = int(match["version"] or 0)
        answer = await self._call(
            "POST",
            f"sign/{match['name']}/sha2-256",
            {
                "input": _text(message),
                "signature_algorithm": "pss",
                "salt_length": "hash",
                # 0 is the latest; a certificate belongs to one version, so naming it survives a rotation.
                "key_version": version,
            },
        )
        return _bytes(_field(answer, "signature").rpartition(":")[2])

    async def health(self) -> None:
        # Asked through the key we need, not only of sys/health: a good seal with a dead token helps nobody.
        if await self._latest_version(f"{self._prefix}-instance") is None:
            raise Misconfigured("Transit does not have this instance's key.")

    def _name(self, organization_id: str) -> str:
        require_name(organization_id)
        return f"{self._prefix}-{organization_id}"

    async def _latest_version(self, name: str) -> int | None:
        answer = await self._call("GET", f"keys/{name}", None, missing_is_none=True)
        if answer is None:
            return None
        version = answer.get("latest_version")
        if not isinstance(version, int) or version < 1:
            raise TemporarilyUnavailable("Transit gave an answer that says nothing.")
        return version

    async def _call(
        self,
        method: str,
        path: str,
        body: Mapping[str, object] | None,
        *,
        missing_is_none: bool = False,
        bad_request: Exception | None = None,
    ) -> dict[str, Any] | None:
        headers = {"X-Vault-Token": self._token(), "X-Vault-Request": "true"}
        if self._namespace:
            headers["X-Vault-Namespace"] = self._namespace
        try:
            async with self._session.request(
                method,
                f"{self._url}/v1/{self._mount}/{path}",
                json=body,
                headers=headers,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=_CALL_SECONDS),
            ) as response:
                status = response.status
                content = await response.content.read(_ANSWER_BYTES_LIMIT + 1)
                document = None if status == 204 else _document(content, response.charset)
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise TemporarilyUnavailable(f"Transit does not answer: {type(error).__name__}.") from None
        if status in (200, 204):
            data = (document or {}).get("data")
            return cast(dict[str, Any], data) if isinstance(data, dict) else {}
        if status == 404 and missing_is_none and _says_nothing(document):
            return None
        if status == 400 and bad_request is not None:
            raise bad_request
        if status in (400, 401, 403, 404, 405):
            raise Misconfigured(f"Transit refuses {path.partition('/')[0]}: status {status}.")
        raise TemporarilyUnavailable(f"Transit cannot help now: status {status}.")

    def _token(self) -> str:
        try:
            with self._token_file.open("rb") as file:
                content = file.read(_TOKEN_BYTES_LIMIT)
        except OSError as error:
            raise Misconfigured(
                f"The Transit token file {self._token_file} cannot be read: {error.strerror}."
            ) from error
        token = content.decode("ascii", "replace").strip()
        if not token or any(character.isspace() or not character.isprintable() for character in token):
            raise Misconfigured(f"The Transit token file {self._token_file} holds no token.")
        return token


def _says_nothing(document: Mapping[str, Any] | None) -> bool:
    """Whether a 404 means that the key is not there; a missing mount names its trouble."""
    return document is not None and not document.get("errors")


def _document(content: bytes, charset: str | None) -> dict[str, Any] | None:
    if len(content) > _ANSWER_BYTES_LIMIT:
        return None
    try:
        document = json.loads(content.decode(charset or "utf-8"))
    except (ValueError, LookupError):
        return None
    return cast(dict[str, Any], document) if isinstance(document, dict) else None


def _parts(key_id: str) -> tuple[str, int]:
    match = _KEY_ID.fullmatch(key_id)
    if match is None:
        raise SealBroken("This value is wrapped under a key of another key service.")
    return match["name"], int(match["version"])


def _field(answer: Mapping[str, Any] | None, name: str) -> str:
    value = (answer or {}).get(name)
    if not isinstance(value, str):
        raise TemporarilyUnavailable("Transit gave an answer that says nothing.")
    return value


def _text(value: bytes) -> str:
    return base64.b64encode(value).decode("ascii")


def _bytes(value: str) -> bytes:
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        raise TemporarilyUnavailable("Transit gave an answer that says nothing.") from None
