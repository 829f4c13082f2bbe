"""``Idempotency-Key``: a creating call that is sent again does nothing twice and is answered the same (SR-71)."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import partial
from typing import Annotated, Any, Final, Self

import orjson
from fastapi import Header, Request, Response
from pydantic import BaseModel

from ostiary.core.kernel.errors import Conflict, OstiaryError, ProviderContractBroken, TemporarilyUnavailable
from ostiary.core.kernel.idempotency import RepeatedCall
from ostiary.core.kernel.secret import Secret
from ostiary.core.vault.model import SealContext, Sealed
from ostiary.core.vault.policy import IDEMPOTENT_ANSWER, Purpose
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
_UNKNOWN: Final = b""
"""Kept instead of an answer: the call ended, and whether Microsoft did anything nobody knows."""


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


class OutcomeUnknown(Conflict):
    """The first call died while Microsoft was doing its work; look what there is before using a new key."""

    code = "idempotent_outcome_unknown"


async def once(
    request: Request, key: str | None, sent: BaseModel | None, act: Callable[[], Awaitable[Outcome]]
) -> Response:
    """Do ``act`` and answer with its outcome; with a key seen before, only repeat the answer.

    Key, effect and answer are one transaction: whatever dies in between, all of them exist or none. The answer is
    sealed in the database, because it may hold the secret of a link. A failure is not kept: the caller may mend the
    cause and send the same call again.

    Args:
        key: Of the header; None does the act unconditionally.
        sent: The body, which the key belongs to together with the address.
        act: Changes our database and nothing else. What Microsoft does goes through :func:`once_elsewhere`.

    Raises:
        KeyReused: The same key came with another body or address.
        StillRunning: The first call has not ended.
    """
    if key is None:
        return _response(await act())
    call = _Call.of(request, sent)
    # The key service is asked before the transaction begins.
    envelope = await services(request).vault.envelope(call.context)
    failure: OstiaryError | None = None
    response: Response | None = None
    async with services(request).transactions.whole() as tx:
        repeated = await tx.idempotency.claim(
            caller_id=call.caller_id, key=key, request_hash=call.request_hash, now=_now(request)
        )
        if repeated is None:
            try:
                response = _response(await act())
            except OstiaryError as error:
                # What it recorded about its refusal stays; its key is free again.
                failure = error
                await tx.idempotency.release(caller_id=call.caller_id, key=key)
            else:
                answer = _pack(envelope.seal(_kept(response)))
                await tx.idempotency.keep_answer(caller_id=call.caller_id, key=key, answer=answer)
    if failure is not None:
        raise failure
    return response if response is not None else await _repeat(request, call, repeated)


async def once_elsewhere(
    request: Request,
    key: str | None,
    sent: BaseModel | None,
    act: Callable[[], Awaitable[Outcome]],
    *,
    is_repeatable: bool = False,
) -> Response:
    """Do ``act``, which changes something at Microsoft, at most once.

    No transaction reaches there, so the key is kept as *running* before the act begins. A repeated call is told that
    it runs, or gets its answer; when the first one died, it is told that nobody knows, and the act is not done again.
    A call that Microsoft refused may be sent again with its key; one that may have got through may not: it is told at
    once, and from then on, that the outcome is unknown.

    Args:
        is_repeatable: The act finds what it did before, by a stamp it leaves at Microsoft: then a call that died, or
            whose answer was lost, is done again, and has its effect once all the same.

    Raises:
        KeyReused, StillRunning: As :func:`once`.
        OutcomeUnknown: The first call ended without an answer.
    """
    if key is None:
        return _response(await act())
    call = _Call.of(request, sent)
    vault, transactions = services(request).vault, services(request).transactions
    async with transactions() as tx:
        claim = partial(
            tx.idempotency.claim,
            caller_id=call.caller_id,
            key=key,
            request_hash=call.request_hash,
            now=_now(request),
        )
        repeated = await claim()
        is_same = repeated is not None and repeated.request_hash == call.request_hash
        if is_repeatable and repeated is not None and is_same and repeated.has_died(_now(request)):
            await tx.idempotency.release(caller_id=call.caller_id, key=key)
            repeated = await claim()
    if repeated is not None:
        return await _repeat(request, call, repeated)
    try:
        response = _response(await act())
    except OstiaryError as error:
        if is_repeatable or not isinstance(error, TemporarilyUnavailable | ProviderContractBroken):
            async with transactions() as tx:
                await tx.idempotency.release(caller_id=call.caller_id, key=key)
        else:
            async with transactions() as tx:
                await tx.idempotency.keep_answer(caller_id=call.caller_id, key=key, answer=_UNKNOWN)
        raise
    sealed = await vault.seal(_kept(response), call.context)
    async with transactions() as tx:
        await tx.idempotency.keep_answer(caller_id=call.caller_id, key=key, answer=_pack(sealed))
    return response


@dataclass(frozen=True, slots=True)
class _Call:
    """What a key belongs to."""

    caller_id: str
    request_hash: bytes
    context: SealContext

    @classmethod
    def of(cls, request: Request, sent: BaseModel | None) -> Self:
        caller_id = principal(request).id
        return cls(
            caller_id, _request_hash(request, sent), SealContext("api", caller_id, IDEMPOTENT_ANSWER, 1)
        )


async def _repeat(request: Request, call: _Call, repeated: RepeatedCall | None) -> Response:
    if repeated is None:
        raise StillRunning("The first call with this Idempotency-Key is still running.")
    if repeated.request_hash != call.request_hash:
        raise KeyReused("This Idempotency-Key was used for another request.")
    if repeated.has_died(_now(request)) or repeated.answer == _UNKNOWN:
        raise OutcomeUnknown(
            "The first call with this Idempotency-Key ended without an answer. Look whether it was done; "
            "to do it again, use a new key."
        )
    if repeated.answer is None:
        raise StillRunning("The first call with this Idempotency-Key is still running.")
    opened = await services(request).vault.open(
        _unpack(repeated.answer), call.context, purpose=Purpose.REPLAY
    )
    kept: dict[str, Any] = orjson.loads(opened.reveal())
    return _json(kept["body"].encode(), kept["status"], {REPLAYED_HEADER: "true"})


def _now(request: Request) -> datetime:
    return services(request).clock.now()


def _kept(response: Response) -> Secret:
    answer = orjson.dumps({"status": response.status_code, "body": bytes(response.body).decode()})
    return Secret(answer.decode())


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
