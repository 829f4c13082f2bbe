"""What may be written about an organization or a member. Pure checks."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable
from typing import Final

from ostiary.core.kernel.errors import InvalidRequest

LONGEST_TEXT: Final = 200
MOST_DOMAINS: Final = 100
MOST_SEATS: Final = 10_000_000
_ADDRESS = re.compile(r"[^@\s,;<>\"]{1,64}@[^@\s,;<>\"]{1,253}")
_EXTERNAL_ID = re.compile(r"[\x21-\x7e]{1,128}")
_LABEL = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)")


def external_id(value: str) -> str:
    """Return the vendor's own id: 1 to 128 visible ASCII characters."""
    if not _EXTERNAL_ID.fullmatch(value):
        raise InvalidRequest("An id has 1 to 128 visible characters without blanks.", field="external_id")
    return value


def text(value: str, *, field: str) -> str:
    """Return a name without surrounding blanks, of 1 to 200 printable characters."""
    cleaned = value.strip()
    if not 0 < len(cleaned) <= LONGEST_TEXT or not cleaned.isprintable():
        raise InvalidRequest(f"This needs 1 to {LONGEST_TEXT} printable characters.", field=field)
    return cleaned


def email(value: str, *, field: str = "email") -> str:
    """Return an address that mail could go to."""
    cleaned = value.strip()
    if not _ADDRESS.fullmatch(cleaned) or not cleaned.isprintable():
        raise InvalidRequest(
            "This needs an e-mail address such as tom.ellis@harbourvale.example.", field=field
        )
    return cleaned


def domains(values: Iterable[str]) -> tuple[str, ...]:
    """Return domains as Microsoft verifies them: lower-case A-labels, no repeats (SR-16).

    ``*.onmicrosoft.com`` is refused: everybody can have one, so it proves nothing.
    """
    found = tuple(dict.fromkeys(_domain(value) for value in values))
    if len(found) > MOST_DOMAINS:
        raise InvalidRequest(f"At most {MOST_DOMAINS} domains.", field="allowed_domains")
    return found


def tenant_id(value: str) -> str:
    """Return a directory id in the form Microsoft writes it."""
    try:
        return str(uuid.UUID(value))
    except ValueError as error:
        raise InvalidRequest("A tenant id is a GUID.", field="expected_tenant_id") from error


def seats(value: int) -> int:
    """Return a number of licences; 0 sets no limit."""
    if not 0 <= value <= MOST_SEATS:
        raise InvalidRequest("The number of licences is 0 (no limit) or more.", field="seat_count")
    return value


def _domain(value: str) -> str:
    refusal = InvalidRequest(f"{value!r} is not a domain.", field="allowed_domains")
    try:
        name = value.strip().rstrip(".").encode("idna").decode("ascii").lower()
    except UnicodeError as error:
        raise refusal from error
    labels = name.split(".")
    if len(labels) < 2 or len(name) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise refusal
    if name == "onmicrosoft.com" or name.endswith(".onmicrosoft.com"):
        raise InvalidRequest(
            "A domain of onmicrosoft.com proves nothing: leave it out.", field="allowed_domains"
        )
    return name
