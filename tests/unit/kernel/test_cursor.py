"""Cursors come back only to where they were given."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ostiary.core.kernel.cursor import unwrap_cursor, wrap_cursor
from ostiary.core.kernel.errors import InvalidRequest

text = st.text(max_size=50)


@given(position=st.dictionaries(text, text | st.integers(-(2**53), 2**53), max_size=4), binding=text)
def test_cursor_gives_back_the_position_and_is_safe_in_a_url(
    position: dict[str, object], binding: str
) -> None:
    cursor = wrap_cursor(position, binding=binding)

    assert unwrap_cursor(cursor, binding=binding) == position
    assert cursor.replace("-", "").replace("_", "").isalnum()


@given(one=text, other=text)
def test_cursor_of_another_query_is_refused(one: str, other: str) -> None:
    if one == other:
        return
    with pytest.raises(InvalidRequest):
        unwrap_cursor(wrap_cursor({}, binding=one), binding=other)


@given(st.text(max_size=200) | st.binary(max_size=100).map(lambda raw: raw.decode("latin-1")))
def test_nonsense_is_refused_and_nothing_else_happens(cursor: str) -> None:
    with pytest.raises(InvalidRequest):
        unwrap_cursor(cursor, binding="b")


@pytest.mark.parametrize("cursor", ["e30", "W10", "bnVsbA", "A" * 9000, "eyJiIjoxfQ"])
def test_json_of_another_shape_is_refused(cursor: str) -> None:
    with pytest.raises(InvalidRequest):
        unwrap_cursor(cursor, binding="b")
