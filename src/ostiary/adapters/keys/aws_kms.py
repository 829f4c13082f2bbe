"""Key-encryption keys in AWS Key Management Service: one symmetric key per organization and generation.

The key in use is found by the alias ``alias/{prefix}/{organization}``; every key also has an alias with its own id
behind that, so that older generations can be found when an organization is erased. What a data key is bound to goes
into the encryption context, which KMS authenticates and CloudTrail shows.

Source: AWS KMS API reference: CreateKey, CreateAlias, UpdateAlias, DescribeKey, Encrypt, Decrypt, GenerateMac, Sign,
ScheduleKeyDeletion, and their errors.
"""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import Callable, Sequence
from typing import Any, Final, Self, TypeVar

from ostiary.adapters.keys.names import require_name
from ostiary.core.kernel.errors import Misconfigured, TemporarilyUnavailable
from ostiary.core.vault.errors import SealBroken
from ostiary.core.vault.model import KeyFate

DELETION_DAYS: Final = 7
"""The shortest waiting time KMS has; until it ends the key can be brought back, but not used."""

_REMEMBER_SECONDS: Final = 60.0
_CONNECT_SECONDS: Final = 5.0
_READ_SECONDS: Final = 10.0
_INSTANCE: Final = "instance"
_MOST_SIGNED_BYTES: Final = 4096

_BROKEN: Final = frozenset(
    {"InvalidCiphertextException", "IncorrectKeyException", "InvalidKeyUsageException"}
)
_REFUSED: Final = frozenset(
    {
        "AccessDeniedException",
        "UnrecognizedClientException",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "IncompleteSignature",
        "ExpiredTokenException",
    }
)

T = TypeVar("T")


class KMSKeyService:
    """Wraps data keys by calls to KMS. The client blocks, so every call runs in a thread."""

    def __init__(self, client: Any, *, prefix: str = "ostiary") -> None:
        self._client = client
        self._prefix = prefix
        self._current: dict[str, tuple[str, float]] = {}

    @classmethod
    def connect(cls, *, region: str, endpoint_url: str | None = None, prefix: str = "ostiary") -> Self:
        """Open a client with the credentials that boto3 finds in its usual places.

        Raises:
            Misconfigured: The optional dependency is not installed.
        """
        try:
            import boto3
            from botocore.config import Config
        except ImportError as error:
            raise Misconfigured("AWS KMS needs the optional dependency: install ostiary[aws].") from error
        config = Config(
            connect_timeout=_CONNECT_SECONDS,
            read_timeout=_READ_SECONDS,
            retries={"mode": "standard", "total_max_attempts": 3},
        )
        client = boto3.client("kms", region_name=region, endpoint_url=endpoint_url, config=config)
        return cls(client, prefix=prefix)

    async def current_key_id(self, *, organization_id: str) -> str:
        require_name(organization_id)
        known = self._current.get(organization_id)
        if known is not None and time.monotonic() < known[1]:
            return known[0]
        key_id = await self._run(lambda: self._find_or_create(organization_id))
        self._current[organization_id] = (key_id, time.monotonic() + _REMEMBER_SECONDS)
        return key_id

    async def wrap(self, *, key_id: str, data_key: bytes, context: bytes) -> bytes:
        answer = await self._run(
            lambda: self._client.encrypt(
                KeyId=key_id, Plaintext=data_key, EncryptionContext=_encryption_context(context)
            )
        )
        return bytes(answer["CiphertextBlob"])

    async def unwrap(self, *, key_id: str, wrapped_key: bytes, context: bytes) -> bytes:
        if not wrapped_key or not key_id:
            raise SealBroken("This wrapped key is damaged.")
        answer = await self._run(
            lambda: self._client.decrypt(
                KeyId=key_id, CiphertextBlob=wrapped_key, EncryptionContext=_encryption_context(context)
            )
        )
        return bytes(answer["Plaintext"])

    async def rotate(self, *, organization_ids: Sequence[str]) -> None:
        for organization_id in organization_ids:
            require_name(organization_id)
            await self._run(lambda organization_id=organization_id: self._make_current(organization_id))
            self._current.pop(organization_id, None)

    async def destroy(self, *, organization_id: str) -> KeyFate:
        require_name(organization_id)
        self._current.pop(organization_id, None)
        await self._run(lambda: self._schedule_deletion(organization_id))
        return KeyFate.SCHEDULED

    async def instance_key(self, purpose: str) -> bytes:
        answer = await self._run(lambda: self._instance_mac(f"ostiary instance key {purpose}".encode()))
        return bytes(answer["Mac"])

    async def sign(self, *, key_name: str, message: bytes) -> bytes:
        if len(message) > _MOST_SIGNED_BYTES:
            raise ValueError("AWS KMS signs no longer message than 4,096 bytes")
        try:
            answer = await self._run(
                lambda: self._client.sign(
                    KeyId=key_name,
                    Message=message,
                    MessageType="RAW",
                    SigningAlgorithm="RSASSA_PSS_SHA_256",
                )
            )
        except SealBroken:
            raise Misconfigured(f"AWS KMS has no RSA key {key_name} for signing.") from None
        return bytes(answer["Signature"])

    async def health(self) -> None:
        await self._run(lambda: self._client.describe_key(KeyId=self._alias(_INSTANCE)))

    def _alias(self, *parts: str) -> str:
        return "/".join(("alias", self._prefix, *parts))

    def _find(self, name: str) -> str | None:
        try:
            return str(self._client.describe_key(KeyId=self._alias(name))["KeyMetadata"]["KeyId"])
        except self._client.exceptions.NotFoundException:
            return None

    def _find_or_create(self, organization_id: str) -> str:
        found = self._find(organization_id)
        if found is not None:
            return found
        key_id = self._create(organization_id)
        try:
            self._client.create_alias(AliasName=self._alias(organization_id), TargetKeyId=key_id)
        except self._client.exceptions.AlreadyExistsException:
            # Another process was quicker. Ours has wrapped nothing: away with it.
            self._client.delete_alias(AliasName=self._alias(organization_id, key_id))
            self._client.schedule_key_deletion(KeyId=key_id, PendingWindowInDays=DELETION_DAYS)
            return self._find(organization_id) or key_id
        return key_id

    def _make_current(self, organization_id: str) -> None:
        self._find_or_create(organization_id)
        key_id = self._create(organization_id)
        self._client.update_alias(AliasName=self._alias(organization_id), TargetKeyId=key_id)

    def _create(self, organization_id: str) -> str:
        answer = self._client.create_key(
            Description=f"Ostiary: tokens of {organization_id}",
            Tags=[
                {"TagKey": "ostiary", "TagValue": self._prefix},
                {"TagKey": "organization", "TagValue": organization_id},
            ],
        )
        key_id = str(answer["KeyMetadata"]["KeyId"])
        self._client.create_alias(AliasName=self._alias(organization_id, key_id), TargetKeyId=key_id)
        return key_id

    def _schedule_deletion(self, organization_id: str) -> None:
        current = self._alias(organization_id)
        pages = self._client.get_paginator("list_aliases").paginate()
        found = [
            (alias["AliasName"], alias["TargetKeyId"])
            for page in pages
            for alias in page["Aliases"]
            if "TargetKeyId" in alias
            and (alias["AliasName"] == current or alias["AliasName"].startswith(f"{current}/"))
        ]
        # Keys before aliases: after a crash in between, the aliases still lead to what is left to do.
        for key_id in sorted({key_id for _, key_id in found}):
            if self._client.describe_key(KeyId=key_id)["KeyMetadata"]["KeyState"] != "PendingDeletion":
                self._client.schedule_key_deletion(KeyId=key_id, PendingWindowInDays=DELETION_DAYS)
        for name, _ in found:
            self._client.delete_alias(AliasName=name)

    def _instance_mac(self, message: bytes) -> Any:
        alias = self._alias(_INSTANCE)
        if self._find(_INSTANCE) is None:
            made = self._client.create_key(
                Description="Ostiary: keys of the instance itself",
                KeySpec="HMAC_256",
                KeyUsage="GENERATE_VERIFY_MAC",
            )
            try:
                self._client.create_alias(AliasName=alias, TargetKeyId=made["KeyMetadata"]["KeyId"])
            except self._client.exceptions.AlreadyExistsException:
                self._client.schedule_key_deletion(
                    KeyId=made["KeyMetadata"]["KeyId"], PendingWindowInDays=DELETION_DAYS
                )
        return self._client.generate_mac(KeyId=alias, MacAlgorithm="HMAC_SHA_256", Message=message)

    async def _run(self, call: Callable[[], T]) -> T:
        from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

        try:
            return await asyncio.to_thread(call)
        except ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", ""))
            # Not chained: the request, and with it a data key, is in the frames below.
            raise _failure(code) from None
        except NoCredentialsError:
            raise Misconfigured("There are no AWS credentials for the key service.") from None
        except BotoCoreError as error:
            raise TemporarilyUnavailable(f"AWS KMS does not answer: {type(error).__name__}.") from None


def _failure(code: str) -> Exception:
    if code in _BROKEN:
        return SealBroken("This wrapped key is damaged.")
    if code == "NotFoundException":
        return SealBroken("This value is wrapped under a key that the key service does not have.")
    if code in _REFUSED:
        return Misconfigured(f"AWS KMS refuses us: {code}.")
    return TemporarilyUnavailable(f"AWS KMS cannot help now: {code or 'unknown error'}.")


def _encryption_context(context: bytes) -> dict[str, str]:
    return {"ostiary": base64.b64encode(context).decode("ascii")}
