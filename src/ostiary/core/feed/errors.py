"""What can go wrong when the feed is read."""

from __future__ import annotations

from ostiary.core.kernel.errors import SyncCursorExpired


class FeedCursorExpired(SyncCursorExpired):
    """The reader was away for longer than events are kept: it reads its objects anew and starts without a cursor."""

    code = "feed_cursor_expired"
