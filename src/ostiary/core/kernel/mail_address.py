"""Names and addresses of people, shared by mail and calendar."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MailAddress:
    """A name and an SMTP address."""

    address: str
    name: str = ""
