"""Posts of strangers: whatever the bytes are, they are read without a crash and believed only if they fit."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from ostiary.adapters.graph.notifications import read_notifications
from ostiary.core.sync.notifications import MOST_ITEMS, LifecycleEvent
from ostiary.core.sync.subscriptions import NotificationPaths

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["subscriptionId", "clientState", "tenantId", "resourceData", "lifecycleEvent", "id", "value"]
            ),
            inner,
            max_size=6,
        )
    ),
    max_leaves=12,
)


@given(body=st.binary(max_size=300))
def test_any_bytes_are_read(body: bytes) -> None:
    posted = read_notifications(body)
    assert posted.notices == () or body.lstrip().startswith(b"{")


@given(value=st.lists(VALUES, max_size=8))
def test_any_shape_is_read_and_what_does_not_fit_is_counted(value: list[object]) -> None:
    posted = read_notifications(json.dumps({"value": value}).encode())
    assert len(posted.notices) + posted.unreadable_count == len(value)
    assert not posted.is_cut


def test_more_than_a_post_may_hold_asks_for_everything() -> None:
    one = {"subscriptionId": "s", "clientState": "c", "tenantId": "t", "resourceData": {"id": "m"}}
    posted = read_notifications(json.dumps({"value": [one] * (MOST_ITEMS + 1)}).encode())
    assert (len(posted.notices), posted.is_cut) == (MOST_ITEMS, True)


def test_lifecycle_words_are_known_and_others_dropped() -> None:
    kinds = [*LifecycleEvent, "somethingNew"]
    value = [{"subscriptionId": "s", "clientState": "c", "lifecycleEvent": str(kind)} for kind in kinds]
    posted = read_notifications(json.dumps({"value": value}).encode())
    assert [notice.lifecycle for notice in posted.notices] == list(LifecycleEvent)
    assert posted.unreadable_count == 1


@given(segment=st.text(max_size=80))
def test_a_path_that_was_not_given_out_leads_nowhere(segment: str) -> None:
    paths = NotificationPaths(b"k" * 32, public_url="https://connect.larkspur.example/")
    assert paths.subscription_id(segment) is None


def test_a_path_leads_to_its_subscription_and_to_no_other() -> None:
    paths = NotificationPaths(b"k" * 32, public_url="https://connect.larkspur.example/")
    url = paths.url("sub_1")
    assert url.startswith("https://connect.larkspur.example/notifications/graph/sub_1.")
    assert paths.of_url(url) == "sub_1"
    assert paths.of_url(url.replace("sub_1", "sub_2")) is None
    assert paths.of_url("https://elsewhere.example/notifications/graph/sub_1.x") is None
    assert NotificationPaths(b"o" * 32, public_url="https://connect.larkspur.example").of_url(url) is None
