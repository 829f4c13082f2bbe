"""Mail over EWS."""

from __future__ import annotations

from typing import Final

from ostiary.adapters.ews.mail_attachments import EWSAttachments
from ostiary.adapters.ews.mail_folders import EWSFolders
from ostiary.adapters.ews.mail_reading import EWSMailReader
from ostiary.adapters.ews.mail_search import EWSSearch
from ostiary.adapters.ews.mail_writing import EWSMailWriter
from ostiary.adapters.ews.session import EWSSession
from ostiary.core.mail.attachments import MOST_ATTACHMENT_BYTES
from ostiary.core.mail.capabilities import MailCapabilities, SearchOrder

EWS_MAIL_CAPABILITIES: Final = MailCapabilities(
    stable_message_ids=False,
    html_is_sanitized_by_provider=False,
    search_all_folders=True,
    search_order=SearchOrder.BY_FOLDER,
    most_search_results=None,
    largest_attachment_bytes=MOST_ATTACHMENT_BYTES,
    attachment_limit_is_certain=False,
    scheduled_send=True,
    sent_message_id=False,
    mark_read_without_receipt=True,
    if_match_on_delete=False,
    many_messages_in_one_call=True,
)
"""Source: ews.md §4, §6, §10."""


class EWSMailGateway(EWSMailReader, EWSMailWriter, EWSAttachments):
    """``MailGateway`` over EWS."""

    def __init__(self, session: EWSSession) -> None:
        self._session = session
        self._folders = EWSFolders(session)
        self._search = EWSSearch(session, self._folders)

    @property
    def capabilities(self) -> MailCapabilities:
        """What differs over EWS."""
        return EWS_MAIL_CAPABILITIES
