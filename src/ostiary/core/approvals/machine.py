"""The states of an approval request and the only ways between them (DESIGN §3). Pure, no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Final

from ostiary.core.approvals.model import OPEN_STATES, ApprovalRequest, ApprovalRequestState
from ostiary.core.kernel.errors import Conflict

_S: Final = ApprovalRequestState
_ANSWERS: Final = frozenset({_S.APPROVED, _S.DECLINED, _S.EXPIRED, _S.CANCELLED})

TRANSITIONS: Final[Mapping[ApprovalRequestState, frozenset[ApprovalRequestState]]] = {
    _S.WAITING: _ANSWERS | {_S.SENT, _S.STARTED},
    # Back to waiting when somebody else is asked.
    _S.SENT: _ANSWERS | {_S.WAITING, _S.STARTED},
    _S.STARTED: _ANSWERS | {_S.WAITING},
}


class RequestClosed(Conflict):
    """The request has its answer already, or the step does not follow; read it again."""

    code = "request_closed"


def move(request: ApprovalRequest, target: ApprovalRequestState, *, now: datetime) -> ApprovalRequest:
    """Return the request in state ``target``.

    Raises:
        RequestClosed: There is no way from its state to that one.
    """
    if target not in TRANSITIONS.get(request.state, frozenset()):
        raise RequestClosed(f"A request that is {request.state.value} cannot become {target.value}.")
    return replace(request, state=target, updated_at=now, resolved_at=None if target in OPEN_STATES else now)
