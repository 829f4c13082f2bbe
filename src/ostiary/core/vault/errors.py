"""What can go wrong when a sealed value is opened."""

from __future__ import annotations

from ostiary.core.kernel.errors import OstiaryError


class SealBroken(OstiaryError):
    """The value is not what was sealed for this place: other bytes, another row, another key or format.

    Nothing of it may be used and repeating does not help. The person has to sign in again, and the operator
    has to learn of it: somebody tampered, or a backup was mixed with the wrong key file.
    """

    code = "seal_broken"
