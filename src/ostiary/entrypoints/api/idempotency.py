"""``Idempotency-Key``: a creating call that is sent again does nothing twice and is answered the same (SR-71)."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Final

import orjson
from fastapi import Header, Request, Response
from pydantic import BaseModel

from ostiary.core.kernel.errors import Conflict
from ostiary.core.kernel.secret import Secret
from ostiary.core.vault.model import SealContext, Sealed
from ostiary.core.vault.policy import Purpose
from ostiary.entrypoints.web.context import principal, services

IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=255,
        pattern=r"^[\x21-\x7e]+$",
        description="Any text of yours that names this one act, such as a UUID. Kept for two days.",
    ),
]
REPLAYED_HEADER: Final = "Idempotent-Replayed"


class KeyReused(Conflict):
    """The key named another request before; use a new one."""

    code = "idempotency_key_reused"


class StillRunning(Conflict):
    """The first call with this key has not ended; ask again in a moment."""

    code = "idempotent_call_running"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a creating call did."""

    status: int
    body: BaseModel


async def once(
    request: Request, key: str | None, sent: BaseModel | None, act: Callable[[], Awaitable[Outcome]]
) -> Response:
    """Do ``act`` and answer with its outcome; with a key seen before, only repeat the answer.

    The answer is sealed in the database, because it may hold the secret of a link. A failure is not kept: the
    caller may mend the cause and send the same call again.

    Args:
        key: Of the header; None does the act unconditionally.
        sent: The body, which the key belongs to together with the address.

    Raises:
        KeyReused: The same key came with another body or address.
        StillRunning: The first call has not ended.
    """
    if key is None:
        return _response(await act())
    caller_id = principal(request).id
    request_hash = _request_hash(request, sent)
    context = SealContext("api", caller_id, "idempotent_answer", 1)
    vault, transactions = services(request).vault, services(request).transactions
    async with transactions() as tx:
        repeated = await tx.idempotency.claim(
            caller_id=caller_id, key=key, request_hash=request_hash, now=services(request).clock.now()
        )
    if repeated is not None:
        if repeated.request_hash != request_hash:
            raise KeyReused("This Idempotency-Key was used for another request.")
        if repeated.answer is None:
            raise StillRunning("The first call with this Idempotency-Key is still running.")
        opened = await vault.open(_unpack(repeated.answer), context, purpose=Purpose.REPLAY)
        kept: dict[str, Any] = orjson.loads(opened.reveal())
        return _json(kept["body"].encode(), kept["status"], {REPLAYED_HEADER: "true"})
    try:
        response = _response(await act())
    except BaseException:
        async with transactions() as tx:
            await tx.idempotency.release(caller_id=caller_id, key=key)
        raise
    answer = orjson.dumps({"status": response.status_code, "body": bytes(response.body).decode()})
    sealed = await vault.seal(Secret(answer.decode()), context)
    async with transactions() as tx:
        await tx.idempotency.keep_answer(caller_id=caller_id, key=key, answer=_pack(sealed))
    return response


def _request_hash(request: Request, sent: BaseModel | None) -> bytes:
    body = "" if sent is None else sent.model_dump_json()
    return hashlib.sha256(f"{request.method}\n{request.url.path}\n{body}".encode()).digest()


def _response(outcome: Outcome) -> Response:
    return _json(outcome.body.model_dump_json().encode(), outcome.status, {})


def _json(body: bytes, status: int, headers: dict[str, str]) -> Response:
    # Answers of creating calls may hold a secret: nobody on the way may keep them.
    return Response(
        body, status, media_type="application/json", headers={"Cache-Control": "no-store", **headers}
    )


def _pack(sealed: Sealed) -> bytes:
    return orjson.dumps(
        {name: value.hex() if isinstance(value, bytes) else value for name, value in asdict(sealed).items()}
    )


def _unpack(packed: bytes) -> Sealed:
    fields: dict[str, Any] = orjson.loads(packed)
    return Sealed(
        format_version=fields["format_version"],
        key_id=fields["key_id"],
        wrapped_key=bytes.fromhex(fields["wrapped_key"]),
        nonce=bytes.fromhex(fields["nonce"]),
        commitment=bytes.fromhex(fields["commitment"]),
        ciphertext=bytes.fromhex(fields["ciphertext"]),
    )
