"""A call that finds what it did before is done again after its answer was lost, and has its effect once."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from fastapi import Request, Response
from pydantic import BaseModel

from ostiary.core.access.model import API_PERMISSIONS, Principal, Role
from ostiary.core.kernel.clock import MovableClock
from ostiary.core.kernel.errors import TemporarilyUnavailable
from ostiary.core.kernel.reach import Duty, declared, instance_wide
from ostiary.entrypoints.api.idempotency import KeyReused, Outcome, StillRunning, once_elsewhere
from ostiary.entrypoints.web.app import create_app


class Sent(BaseModel):
    text: str = "same"


class Answer(BaseModel):
    number: int


class Elsewhere:
    """A place with a stamp: whatever happens there happens once for each key."""

    def __init__(self, app: Any) -> None:
        self.web = create_app(app)
        self.things: dict[str, int] = {}
        self.failure: BaseException | None = None

    async def call(self, sent: Sent | None = None) -> Response:
        async def act() -> Outcome:
            number = self.things.setdefault("k", len(self.things))
            if self.failure is not None:
                raise self.failure
            return Outcome(201, Answer(number=number))

        scope = {
            "type": "http",
            "app": self.web,
            "method": "POST",
            "path": "/v1/x",
            "headers": [],
            "state": {},
        }
        request = Request({**scope, "query_string": b"", "server": ("localhost", 80), "scheme": "http"})
        request.state.principal = Principal(Role.API_KEY, "key_1", "Key", API_PERMISSIONS)
        with declared(instance_wide(Duty.MAILBOX)):
            return await once_elsewhere(request, "k", sent or Sent(), act, is_repeatable=True)


async def test_lost_answer_is_asked_for_again_with_the_same_key(app: Any) -> None:
    elsewhere = Elsewhere(app)
    elsewhere.failure = TemporarilyUnavailable("No answer in time.")
    with pytest.raises(TemporarilyUnavailable):
        await elsewhere.call()
    elsewhere.failure = None

    first, second = await elsewhere.call(), await elsewhere.call()

    assert first.body == second.body == b'{"number":0}'
    assert second.headers["idempotent-replayed"] == "true"


async def test_call_that_died_is_done_again_but_not_beside_one_that_runs(
    app: Any, clock: MovableClock
) -> None:
    elsewhere = Elsewhere(app)
    elsewhere.failure = asyncio.CancelledError()
    with pytest.raises(asyncio.CancelledError):
        await elsewhere.call()
    elsewhere.failure = None
    with pytest.raises(StillRunning):
        await elsewhere.call()
    clock.advance(timedelta(minutes=2))
    with pytest.raises(KeyReused):
        await elsewhere.call(Sent(text="other"))

    answer = await elsewhere.call()

    assert (answer.status_code, answer.body) == (201, b'{"number":0}')
