"""Who gets how much of one mailbox: the rule that every ledger goes by."""

from __future__ import annotations

from collections.abc import Sequence

from ostiary.core.governor.budget import Window
from ostiary.core.governor.model import Grant, Held, Limits, Wish


def share(
    wish: Wish, limits: Limits, others: Sequence[Held], window: Window, *, blocked_seconds: float
) -> tuple[Grant, Window]:
    """Return what a process gets, and the window with its calls counted.

    People come first: background work leaves ``kept_for_interactive`` free, and of the budget its own share only. As
    long as another process is short, nobody gets more than an equal part. A grant may be less than what runs already:
    then nothing new starts, and until it ends what runs is counted (:func:`held`).
    """
    free = limits.most_at_once - sum(other.interactive + other.background for other in others)
    free_in_background = limits.most_in_background() - sum(other.background for other in others)
    if any(other.is_short for other in others):
        free = min(free, max(1, limits.most_at_once // (len(others) + 1)))
    interactive = max(0, min(wish.interactive, free))
    background = max(0, min(wish.background, free - interactive, free_in_background))
    window = window.at(limits.window_seconds)
    most: float = limits.most_calls
    if not wish.interactive:
        most *= limits.background_share
    calls, counted = window.take(wish.calls, most=most, length_seconds=limits.window_seconds)
    grant = Grant(
        interactive=interactive,
        background=background,
        calls=calls,
        is_short=interactive < wish.interactive or background < wish.background,
        blocked_seconds=max(0.0, blocked_seconds),
        calls_in_seconds=0.0
        if calls or not wish.calls
        else window.free_in(most=most, length_seconds=limits.window_seconds),
    )
    return grant, counted


def held(wish: Wish, grant: Grant) -> Held:
    """Return what others have to count for a process: its grant, or what runs already where that is more."""
    return Held(
        interactive=max(wish.busy_interactive, grant.interactive),
        background=max(wish.busy_background, grant.background),
        is_short=grant.is_short,
    )
