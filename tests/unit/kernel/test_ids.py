"""Ids are random, and references are forgiving (SR-30)."""

from __future__ import annotations

import pytest

from ostiary.core.kernel.entropy import SeededEntropy, SystemEntropy
from ostiary.core.kernel.ids import ReferenceKind, new_id, new_reference, parse_reference


def test_ids_hold_130_random_bits_and_follow_no_order() -> None:
    made = [new_id("org", SystemEntropy()) for _ in range(500)]
    assert len(set(made)) == 500
    assert {len(one) for one in made} == {len("org_") + 26}
    assert made != sorted(made)
    # Each of the 26 places takes many values: none is a counter, a clock or a constant.
    assert min(len({one[place] for one in made}) for place in range(4, 30)) > 16


def test_ids_come_from_the_randomness_that_is_given_and_from_nothing_else() -> None:
    assert new_id("org", SeededEntropy(3)) == new_id("org", SeededEntropy(3))
    assert new_id("org", SeededEntropy(3)) != new_id("org", SeededEntropy(4))


def test_a_reference_is_found_however_it_was_read_aloud() -> None:
    reference = new_reference(ReferenceKind.CONSENT, SeededEntropy(5))
    assert parse_reference(reference) == reference
    assert parse_reference(f" {reference.lower().replace('-', ' ')} ") == reference
    assert parse_reference("cn-oil1-u000") == "CN-0111-V000"


@pytest.mark.parametrize("text", ["", "CN", "XX-0000-0000", "CN-0000-000", "CN-0000-00000", "CN-0000-00!0"])
def test_what_is_no_reference_is_none(text: str) -> None:
    assert parse_reference(text) is None
