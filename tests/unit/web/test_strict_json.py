"""Bodies of the API have one meaning (SR-91)."""

from __future__ import annotations

import pytest

from ostiary.core.kernel.errors import InvalidRequest
from ostiary.entrypoints.api.strict_json import MOST_DEPTH, parse_strictly


def test_a_plain_body_is_read() -> None:
    body = b'{"name": "Harbour & Vale", "seats": 12, "share": 0.5, "tags": ["a"], "note": null, "on": true}'
    read = {"name": "Harbour & Vale", "seats": 12, "share": 0.5, "tags": ["a"], "note": None, "on": True}
    assert parse_strictly(body) == read


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"role": "member", "role": "operator"}', "twice"),
        (b'{"a": {"b": 1, "b": 2}}', "twice"),
        (b'[{"a": 1, "\\u0061": 2}]', "twice"),
        (b'{"a": NaN}', "NaN"),
        (b'{"a": -Infinity}', "Infinity"),
        (b'{"a": ' + b"9" * 33 + b"}", "too long"),
        (b'{"a": 1.' + b"9" * 33 + b"}", "too long"),
        (b"{'a': 1}", "not JSON"),
        (b'{"a": "\xff"}', "not JSON"),
        (b"", "not JSON"),
        (b"[" * (MOST_DEPTH + 1) + b"]" * (MOST_DEPTH + 1), "too deeply"),
        (b'{"a":' * 100_000, "too deeply"),
    ],
)
def test_a_body_with_a_second_meaning_or_without_end_is_refused(body: bytes, said: str) -> None:
    with pytest.raises(InvalidRequest, match=said):
        parse_strictly(body)


def test_the_deepest_body_that_is_taken_is_just_below_the_limit() -> None:
    assert parse_strictly(b"[" * MOST_DEPTH + b"]" * MOST_DEPTH)
