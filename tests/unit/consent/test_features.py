"""What of email and calendar an approval is enough for."""

from __future__ import annotations

import pytest

from ostiary.core.consent.features import Feature, feature_to_leave_out

BOTH = frozenset(Feature)


@pytest.mark.parametrize(
    ("missing", "chosen", "left_out"),
    [
        (["Calendars.ReadWrite"], BOTH, Feature.CALENDAR),
        (["Mail.ReadWrite", "Mail.Send"], BOTH, Feature.MAIL),
        (["Mail.Send", "Calendars.ReadWrite"], BOTH, None),
        (["Mail.Send", "offline_access"], BOTH, None),
        ([], BOTH, None),
        (["Mail.Send"], frozenset({Feature.MAIL}), None),
    ],
)
def test_one_part_is_left_out_only_when_everything_missing_is_for_it(
    missing: list[str], chosen: frozenset[Feature], left_out: Feature | None
) -> None:
    assert feature_to_leave_out(missing, chosen) is left_out


def test_each_part_has_its_word_and_its_other() -> None:
    assert [(feature.label, feature.other) for feature in Feature] == [
        ("email", Feature.CALENDAR),
        ("calendar", Feature.MAIL),
    ]
