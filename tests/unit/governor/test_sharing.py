"""Who gets how much of one mailbox."""

from __future__ import annotations

from ostiary.core.governor.budget import Window
from ostiary.core.governor.model import Grant, Held, Limits, Wish
from ostiary.core.governor.sharing import held, share

LIMITS = Limits(most_at_once=4, most_calls=100)
NEW = Window(0, 0, 0.0)


def granted(wish: Wish, *others: Held, window: Window = NEW) -> Grant:
    return share(wish, LIMITS, others, window, blocked_seconds=0)[0]


def test_background_work_leaves_one_call_for_people() -> None:
    grant = granted(Wish(interactive=0, background=9, calls=0))
    assert (grant.background, grant.is_short) == (3, True)
    assert granted(Wish(1, 0, 0), Held(0, 3, True)).interactive == 1


def test_people_may_use_all_of_it() -> None:
    assert granted(Wish(interactive=9, background=9, calls=0)) == Grant(4, 0, 0, True, 0.0, 0.0)


def test_what_others_hold_is_not_given_again() -> None:
    assert granted(Wish(4, 0, 0), Held(2, 1, False)).interactive == 1


def test_nobody_keeps_more_than_an_equal_part_while_another_one_is_short() -> None:
    grant = granted(Wish(interactive=4, background=0, calls=0), Held(0, 0, is_short=True))
    assert grant.interactive == 2


def test_what_runs_already_is_counted_until_it_ends_and_nothing_new_starts() -> None:
    wish = Wish(interactive=0, background=3, calls=0, busy_background=3)
    grant = granted(wish, Held(0, 0, is_short=True))
    assert (grant.background, held(wish, grant).background) == (2, 3)


def test_background_work_leaves_a_part_of_the_budget_for_people() -> None:
    assert granted(Wish(interactive=0, background=1, calls=200)).calls == 90
    assert granted(Wish(interactive=1, background=1, calls=200)).calls == 100


def test_a_spent_budget_says_when_it_comes_free() -> None:
    grant = granted(Wish(1, 0, 10), window=Window(100, 0, 30.0))
    assert grant.calls == 0
    assert 570 < grant.calls_in_seconds < 600
