"""A consent moves only along the table (DESIGN §3)."""

from __future__ import annotations

import itertools

import pytest

from ostiary.core.consent.machine import APPROVED, TRANSITIONS, move
from ostiary.core.consent.model import ConsentState
from ostiary.core.kernel.errors import Conflict


def test_every_state_has_a_row() -> None:
    assert set(TRANSITIONS) == set(ConsentState)


@pytest.mark.parametrize(("current", "to"), list(itertools.product(ConsentState, repeat=2)))
def test_a_move_outside_the_table_raises(current: ConsentState, to: ConsentState) -> None:
    if to in TRANSITIONS[current]:
        assert move(current, to) is to
    else:
        with pytest.raises(Conflict):
            move(current, to)


def test_nothing_is_approved_straight_from_the_start_button() -> None:
    assert not TRANSITIONS[ConsentState.STARTED] & APPROVED


@pytest.mark.parametrize("state", [ConsentState.REFUSED, ConsentState.CONTRADICTED])
def test_a_refused_attempt_never_becomes_an_approval(state: ConsentState) -> None:
    assert TRANSITIONS[state] == frozenset()


def test_an_approval_is_taken_back_only_as_withdrawn_or_partial() -> None:
    assert TRANSITIONS[ConsentState.VERIFIED] - APPROVED == {ConsentState.WITHDRAWN}
