"""AADSTS numbers beside those of the catalogue, by the reason they point to (entra-id.md §4.2).

A number is only a hint, and Microsoft changes them without notice; but one that is known tells a person more than
"unknown". Those of the catalogue are the ones that UX §7 names; these have the same cause.
"""

from __future__ import annotations

from typing import Final

_BY_REASON: Final[dict[str, frozenset[int]]] = {
    "wrong_tenant": frozenset({16003, 50014, 50128, 90072}),
    "app_blocked": frozenset({50002, 1000031, 1000104}),
    "app_disabled": frozenset({700011}),
    "sign_in_policy": frozenset(
        {
            # A second step, a device, a place or a risk that a rule asks about.
            *(50078, 50097, 50127, 50129, 53004, 53011, 530002, 530003, 530034, 530035),
            # Locked out for some minutes, or a place that counts as malicious.
            50053,
            # Device keys, which only a person at that device can mend.
            *(135010, *range(130004, 130009)),
        }
    ),
    "mailbox_missing": frozenset({500011, 500014}),
    "microsoft_down": frozenset({50000, 50086, 50087, 50088, 90036, 90055, 90091, 90092, 90097}),
    "session_lost": frozenset({50089, 50143, 900561}),
    "sign_in_needed": frozenset(
        {
            *(50055, 50056, 50057, 50058, 50085, 50126, 50135, 50142, 50144),
            *(70000, 700003, 700020, 700084),
        }
    ),
    "our_fault": frozenset(
        {
            # The registration, its credential or its addresses.
            *(
                50012,
                50194,
                500112,
                500113,
                650054,
                650059,
                65002,
                70002,
                700025,
                700027,
                700054,
                7000114,
                7000218,
            ),
            *(
                700024,
                1000502,
                70021,
                700213,
                700229,
                900971,
                9002325,
                9002326,
                9002327,
                9002332,
                90008,
                90027,
            ),
            # What we asked for, where and how.
            *(
                28002,
                28003,
                50001,
                50013,
                500133,
                50049,
                50059,
                50148,
                501481,
                70003,
                70005,
                700005,
                700022,
                700023,
            ),
            *(90002, 90009, 90010, 90013, 90014, 900144, 90015, 90019, 90023, 90038, 90100, 9001023, 9002313),
            # States of the device flow, which we never use.
            *(70016, 70018, 70019, 70020),
        }
    ),
    "slowed_down": frozenset({50196}),
}

_RANGES: Final[tuple[tuple[range, str], ...]] = (
    # Pass-through authentication agents and seamless single sign-on.
    (range(80000, 82000), "sign_in_policy"),
    # Trouble with changing a password.
    (range(120000, 121000), "sign_in_needed"),
)

NO_FAILURE: Final = frozenset({50140, 50199, 52004})
"""Questions that Microsoft's pages ask in between ("stay signed in?"); nothing failed, so they point to nothing."""

NEIGHBOURS: Final[dict[int, str]] = {
    number: reason for reason, numbers in _BY_REASON.items() for number in numbers
}
"""Reason id by number."""


def neighbour(number: int) -> str | None:
    """Return the reason a number beside the catalogue's points to."""
    found = NEIGHBOURS.get(number)
    if found is not None:
        return found
    return next((reason for numbers, reason in _RANGES if number in numbers), None)
