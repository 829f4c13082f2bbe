"""Which kind of work may open which kind of secret, and for what (SR-40). What is not in the table is refused."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from ostiary.core.kernel.errors import PermissionDenied
from ostiary.core.kernel.reach import Duty, current_reach


class Purpose(StrEnum):
    """What a secret is opened for; the word that the audit trail has, too."""

    USE = "use"
    """Call Microsoft with an access token that is still good."""
    REFRESH = "refresh"
    """Redeem a refresh token."""
    REWRAP = "rewrap"
    """Seal it again under the organization's current key."""
    REPLAY = "replay"
    """Answer a repeated API call as the first time."""


REFRESH_TOKEN: Final = "refresh_token"
ACCESS_TOKEN: Final = "access_token"
IDEMPOTENT_ANSWER: Final = "idempotent_answer"

_MAILBOX: Final = frozenset({(Purpose.USE, ACCESS_TOKEN), (Purpose.REFRESH, REFRESH_TOKEN)})
_REPLAY: Final = frozenset({(Purpose.REPLAY, IDEMPOTENT_ANSWER)})

MAY_OPEN: Final[dict[Duty, frozenset[tuple[Purpose, str]]]] = {
    Duty.PAGES: frozenset(),
    Duty.RECORDS: _REPLAY,
    Duty.MAILBOX: _MAILBOX | _REPLAY,
    Duty.WORKER: _MAILBOX | {(Purpose.REWRAP, REFRESH_TOKEN)},
    Duty.COMMAND: _MAILBOX | {(Purpose.REWRAP, REFRESH_TOKEN)},
}


class OpeningRefused(PermissionDenied):
    """This kind of work opens no such secret: a mistake of ours, or somebody who does what we did not write."""

    code = "opening_refused"


def require_may_open(purpose: Purpose, kind: str) -> None:
    """Return when the work that asks may open a secret of this kind for this purpose.

    Raises:
        OpeningRefused: It may not; nothing was opened.
    """
    duty = current_reach().duty
    if (purpose, kind) not in MAY_OPEN[duty]:
        raise OpeningRefused(f"{duty.value} may not open {kind} to {purpose.value} it.")
