"""What can go wrong while a mailbox is followed."""

from __future__ import annotations

from ostiary.core.kernel.errors import Conflict


class Overtaken(Conflict):
    """Another worker read this folder meanwhile: leave it to that one."""

    code = "overtaken"
