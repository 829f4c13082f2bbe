"""Background work, queued in the transaction that makes it necessary."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Protocol


class JobQueue(Protocol):
    """The queue inside one transaction."""

    async def enqueue(
        self,
        name: str,
        arguments: Mapping[str, str],
        *,
        run_at: datetime | None = None,
        once_key: str | None = None,
    ) -> None:
        """Queue job ``name``; it exists only if the transaction commits.

        Args:
            arguments: Ids only, never secrets: job arguments are stored in the clear.
            run_at: Not before this time; None means at once.
            once_key: While a job with this key waits, another is not added.
        """
        ...
