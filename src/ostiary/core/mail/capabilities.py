"""What mail can and cannot do over one access method: said beforehand, never failed silently."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class SearchOrder(StrEnum):
    """In which order a search over all folders finds messages."""

    NEWEST_FIRST = "newest_first"
    BY_FOLDER = "by_folder"
    """Folder after folder, inbox first; newest first inside each."""


@dataclass(frozen=True, slots=True)
class MailCapabilities:
    """Where Microsoft's two ways differ for mail."""

    stable_message_ids: bool
    """Whether a message keeps its id when it moves or is sent."""
    html_is_sanitized_by_provider: bool
    """Whether Microsoft cleans HTML before we see it. Never enough to show it: ask for safe HTML."""
    search_all_folders: bool
    search_order: SearchOrder
    most_search_results: int | None
    """Microsoft ends a search there; None: no limit is known."""
    largest_attachment_bytes: int
    """What we take. Exchange may refuse less: see ``attachment_limit_is_certain``."""
    attachment_limit_is_certain: bool
    """False: the organization's own message size limit decides, usually 35 MB for the whole message."""
    scheduled_send: bool
    sent_message_id: bool
    """Whether a send tells the id of the copy in Sent Items."""
    mark_read_without_receipt: bool
    """Whether marking as read can keep a read receipt from being sent."""
    if_match_on_delete: bool
    """Whether a delete can be made to depend on the message's version."""
    many_messages_in_one_call: bool
    """Whether many whole messages cost one call to Microsoft, or one for each."""
