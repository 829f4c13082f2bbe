"""The two ways Microsoft serves a mailbox."""

from __future__ import annotations

from enum import StrEnum


class AccessMethod(StrEnum):
    """How we reach mailboxes: by Microsoft Graph or by Exchange Web Services."""

    GRAPH = "graph"
    EWS = "ews"

    @property
    def label(self) -> str:
        """The name people read."""
        return "Microsoft Graph" if self is AccessMethod.GRAPH else "Exchange Web Services (EWS)"
