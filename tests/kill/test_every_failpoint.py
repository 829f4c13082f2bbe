"""Each failpoint is killed at by a test of this folder; one that nobody reaches is no proof of anything."""

from __future__ import annotations

from ostiary.core.kernel.failpoints import Failpoint

from . import (
    test_connect_kill,
    test_consent_kill,
    test_disconnect_kill,
    test_feed_kill,
    test_follow_kill,
    test_refresh_kill,
    test_rewrap_kill,
    test_send_kill,
)

ROWS = {
    "admin-consent callback": (*test_consent_kill.BEFORE_COMMIT, *test_consent_kill.AFTER_COMMIT),
    "user connect": (
        *test_connect_kill.BEFORE_STORED,
        *test_connect_kill.STORED,
        *test_connect_kill.CONFIRMING,
    ),
    "token refresh": (
        *test_refresh_kill.BEFORE_REQUEST,
        *test_refresh_kill.BEFORE_STORED,
        *test_refresh_kill.STORED,
    ),
    "disconnect / erase": (*test_disconnect_kill.DISCONNECTING, *test_disconnect_kill.ERASING),
    "disconnect a mailbox that Microsoft tells of": test_feed_kill.LEAVING,
    "re-wrap": test_rewrap_kill.STEPS,
    "notification ingest": test_follow_kill.INGESTING,
    "delta page": test_follow_kill.READING,
    "send": test_send_kill.SENDING,
    "from notification to webhook": test_feed_kill.ON_THE_WAY,
    "delta page, listed anew": test_feed_kill.RELISTING,
    "subscription create / renew": (*test_feed_kill.CREATING, *test_feed_kill.RENEWING),
}
"""The crash matrix: every step of every row is parametrized over in its file, and each of those tests fails
unless the process died by SIGKILL exactly there."""


def test_every_failpoint_of_the_product_is_killed_at() -> None:
    killed_at = {point for steps in ROWS.values() for point in steps}
    assert killed_at == set(Failpoint), "add the step to a kill test of its flow"


def test_no_row_kills_at_a_step_twice() -> None:
    for row, steps in ROWS.items():
        assert len(steps) == len(set(steps)), row
