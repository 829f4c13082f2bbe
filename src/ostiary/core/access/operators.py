"""Who runs the instance: operators listed, switched off and on again (SR-52, SR-66)."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ostiary.core.access.model import ConsoleSession, Operator
from ostiary.core.access.ports import AccessTransaction
from ostiary.core.audit.model import Actor
from ostiary.core.kernel.clock import Clock
from ostiary.core.kernel.errors import Conflict, NotFound
from ostiary.core.kernel.transactions import Transactions


@dataclass(frozen=True, slots=True)
class OperatorRow:
    """An operator and where they are signed in."""

    operator: Operator
    sessions: tuple[ConsoleSession, ...]


class Operators:
    """Use cases about operators that are there already."""

    def __init__(self, *, transactions: Transactions[AccessTransaction], clock: Clock) -> None:
        self._transactions = transactions
        self._clock = clock

    async def list_all(self) -> tuple[OperatorRow, ...]:
        """Return every operator, oldest first, with their live sessions."""
        now = self._clock.now()
        async with self._transactions() as transaction:
            return tuple(
                [
                    OperatorRow(each, await transaction.console_sessions.live_of(each.id, now=now))
                    for each in await transaction.operators.list_all()
                ]
            )

    async def resolve(self, text: str) -> Operator:
        """Return the operator with this id or name. Raises NotFound."""
        async with self._transactions() as transaction:
            found = await transaction.operators.find_by_name(text)
            return found or await transaction.operators.get(text)

    async def disable(self, operator_id: str, *, actor: Actor) -> Operator:
        """Let an operator in no more: every session and every link of theirs ends at once.

        Raises:
            NotFound: No such operator.
            Conflict: It is the last one who may come in (SR-66).
        """
        now = self._clock.now()
        async with self._transactions() as transaction:
            await transaction.operators.lock()
            operator = await transaction.operators.get(operator_id)
            if operator.disabled_at is not None:
                return operator
            others = [
                each
                for each in await transaction.operators.list_all()
                if each.disabled_at is None and each.id != operator.id
            ]
            if not others:
                raise Conflict(f"{operator.name} is the last operator. Add another one first.")
            disabled = replace(operator, disabled_at=now)
            await transaction.operators.save(disabled)
            sessions = await transaction.console_sessions.end_all_of(operator.id, at=now)
            links = await transaction.one_time_links.withdraw_all_of(operator.id, at=now)
            await transaction.audit.record(
                "operator.disabled",
                f"The operator {operator.name} was switched off.",
                actor=actor,
                object_id=operator.id,
                detail={"sessions_ended": str(sessions), "links_withdrawn": str(links)},
            )
            return disabled

    async def enable(self, operator_id: str, *, actor: Actor) -> Operator:
        """Let an operator in again; they need a new link, or the Microsoft account on file. Raises NotFound."""
        async with self._transactions() as transaction:
            await transaction.operators.lock()
            operator = await transaction.operators.get(operator_id)
            if operator.disabled_at is None:
                return operator
            enabled = replace(operator, disabled_at=None)
            await transaction.operators.save(enabled)
            await transaction.audit.record(
                "operator.enabled",
                f"The operator {operator.name} was switched on again.",
                actor=actor,
                object_id=operator.id,
            )
            return enabled

    async def end_sessions(self, operator_id: str, *, actor: Actor) -> int:
        """End every session of an operator; return how many there were. Raises NotFound."""
        async with self._transactions() as transaction:
            operator = await transaction.operators.get(operator_id)
            count = await transaction.console_sessions.end_all_of(operator.id, at=self._clock.now())
            if count == 0:
                raise NotFound(f"{operator.name} is not signed in.")
            await transaction.audit.record(
                "operator.signed_out",
                f"{operator.name} was signed out everywhere.",
                actor=actor,
                object_id=operator.id,
                detail={"sessions_ended": str(count)},
            )
            return count
