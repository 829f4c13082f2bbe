"""The states of a consent and the moves between them (DESIGN §3). Pure."""

from __future__ import annotations

from typing import Final

from ostiary.core.consent.model import ConsentState
from ostiary.core.kernel.errors import Conflict

_S = ConsentState

TRANSITIONS: Final[dict[ConsentState, frozenset[ConsentState]]] = {
    _S.NONE: frozenset({_S.ASKED, _S.STARTED, _S.VERIFYING, _S.VERIFIED, _S.PARTIAL}),
    _S.ASKED: frozenset({_S.STARTED, _S.REFUSED, _S.EXPIRED, _S.VERIFYING, _S.VERIFIED, _S.PARTIAL}),
    _S.STARTED: frozenset({_S.RETURNED, _S.REFUSED, _S.CONTRADICTED, _S.EXPIRED}),
    _S.RETURNED: frozenset(
        {_S.RETURNED, _S.VERIFYING, _S.VERIFIED, _S.PARTIAL, _S.CONTRADICTED, _S.REFUSED, _S.EXPIRED}
    ),
    # Looking again goes round through Microsoft once more, so it may end anywhere a return can.
    _S.VERIFYING: frozenset({_S.VERIFYING, _S.VERIFIED, _S.PARTIAL, _S.CONTRADICTED, _S.REFUSED, _S.EXPIRED}),
    _S.EXPIRED: frozenset({_S.VERIFYING, _S.VERIFIED, _S.PARTIAL, _S.CONTRADICTED, _S.REFUSED}),
    # A repeated approval may add or, at Microsoft, even drop permissions (entra-id.md §2.6).
    _S.VERIFIED: frozenset({_S.VERIFIED, _S.PARTIAL, _S.WITHDRAWN}),
    _S.PARTIAL: frozenset({_S.PARTIAL, _S.VERIFIED, _S.WITHDRAWN}),
    _S.WITHDRAWN: frozenset({_S.WITHDRAWN, _S.VERIFYING, _S.VERIFIED, _S.PARTIAL}),
    _S.CONTRADICTED: frozenset(),
    _S.REFUSED: frozenset(),
}
"""From each state, the states it may move to. ``contradicted`` and ``refused`` end an attempt for good."""

APPROVED: Final = frozenset({_S.VERIFIED, _S.PARTIAL})
"""States in which Microsoft's own answer showed the approval."""


def move(current: ConsentState, to: ConsentState) -> ConsentState:
    """Return ``to``.

    Raises:
        Conflict: The table has no such move; reread the record, it changed meanwhile.
    """
    if to not in TRANSITIONS[current]:
        raise Conflict(f"A consent that is {current} cannot become {to}.")
    return to
