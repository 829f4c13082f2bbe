"""The text of an API key."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ostiary.core.access.api_key import key_hash, read_key, write_key
from ostiary.core.kernel.secret import Secret

KEY_ID = "key_" + "a" * 26
KEY, PARTS = write_key(KEY_ID, bytes(range(32)))


def test_key_comes_apart_as_it_was_put_together() -> None:
    read = read_key(KEY)
    assert read is not None
    assert read.key_id == KEY_ID
    assert read.secret == PARTS.secret
    assert KEY.reveal().startswith("ost_" + "a" * 26 + "_")


@given(
    place=st.integers(0, len(KEY.reveal()) - 1), letter=st.sampled_from("0123456789abcdefghjkmnpqrstvwxyz")
)
def test_one_wrong_letter_is_noticed_without_the_database(place: int, letter: str) -> None:
    text = KEY.reveal()
    wrong = text[:place] + letter + text[place + 1 :]
    assert (read_key(Secret(wrong)) is not None) == (wrong == text)


@pytest.mark.parametrize(
    "text", ["", "ost_", "Bearer x", KEY.reveal() + "0", KEY.reveal()[:-1], KEY.reveal().upper()]
)
def test_what_is_no_key_is_refused(text: str) -> None:
    assert read_key(Secret(text)) is None


def test_stored_hash_depends_on_the_instance_and_not_only_on_the_key() -> None:
    assert key_hash(b"a" * 32, PARTS.secret) != key_hash(b"b" * 32, PARTS.secret)


def test_key_is_never_printed() -> None:
    assert PARTS.secret.reveal() not in repr(read_key(KEY))


def test_short_randomness_is_refused() -> None:
    with pytest.raises(ValueError, match="256 bits"):
        write_key(KEY_ID, b"short")
