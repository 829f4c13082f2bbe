"""Throttling: too many requests of one application on one mailbox are told to wait, to the millisecond.

Exchange Online's own budgets cannot be discovered, so nothing is throttled until a test sets a limit.

Source: https://learn.microsoft.com/exchange/client-developer/exchange-web-services/ews-throttling-in-exchange
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from m365_emulator.ews.faults import server_busy


@dataclass(slots=True)
class Throttle:
    """A budget of requests per window of time, for each application on each mailbox.

    Args:
        requests: The most requests in one window; None sets no limit.
    """

    requests: int | None = None
    window: timedelta = timedelta(minutes=5)
    _seen: dict[tuple[str, str], deque[datetime]] = field(
        default_factory=dict[tuple[str, str], deque[datetime]]
    )

    def admit(self, app_id: str, mailbox_guid: str, now: datetime) -> None:
        """Count one request.

        Raises:
            SoapFault: ErrorServerBusy with BackOffMilliseconds; after that long, one more request fits.
        """
        if self.requests is None:
            return
        seen = self._seen.setdefault((app_id, mailbox_guid), deque())
        while seen and seen[0] <= now - self.window:
            seen.popleft()
        if len(seen) >= self.requests:
            free_at = seen[0] + self.window if seen else now + self.window
            raise server_busy(max(1, round((free_at - now).total_seconds() * 1000)))
        seen.append(now)
