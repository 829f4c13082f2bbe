"""A value that must not be seen: tokens, codes, passwords, keys (SR-42)."""

from __future__ import annotations

import hmac
from typing import NoReturn

_MASK = "‹secret›"


class Secret:
    """Holds text and shows it to nobody who does not call :meth:`reveal`.

    ``str``, ``repr``, ``format`` and JSON encoders see a mask; pickling and copying raise; comparing is
    constant-time and only with another secret. Python cannot promise to wipe memory: keep scopes short.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the clear text. Call it where the value is used, and do not keep the result."""
        return self._value

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return False
        return hmac.compare_digest(self._value.encode(), other._value.encode())

    def __hash__(self) -> int:
        raise TypeError("a secret is not a key")

    def __bool__(self) -> bool:
        return bool(self._value)

    def __repr__(self) -> str:
        return _MASK

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return _MASK

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret cannot be pickled or copied")
