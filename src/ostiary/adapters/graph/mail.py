"""Mail over Microsoft Graph."""

from __future__ import annotations

from typing import Final

from ostiary.adapters.graph.client import GraphClient
from ostiary.adapters.graph.mail_attachments import GraphAttachments
from ostiary.adapters.graph.mail_reading import GraphMailReader
from ostiary.adapters.graph.mail_writing import GraphMailWriter
from ostiary.core.mail.attachments import MOST_ATTACHMENT_BYTES
from ostiary.core.mail.capabilities import MailCapabilities, SearchOrder

GRAPH_MAIL_CAPABILITIES: Final = MailCapabilities(
    stable_message_ids=True,
    html_is_sanitized_by_provider=True,
    search_all_folders=True,
    search_order=SearchOrder.NEWEST_FIRST,
    most_search_results=1000,
    largest_attachment_bytes=MOST_ATTACHMENT_BYTES,
    attachment_limit_is_certain=True,
    scheduled_send=True,
    sent_message_id=True,
    mark_read_without_receipt=False,
    if_match_on_delete=True,
    many_messages_in_one_call=False,
)
"""Source: graph.md §1, §3, §4, §7, §10."""


class GraphMailGateway(GraphMailReader, GraphMailWriter, GraphAttachments):
    """``MailGateway`` over Graph."""

    def __init__(self, client: GraphClient) -> None:
        super().__init__(client)

    @property
    def capabilities(self) -> MailCapabilities:
        """What differs over Graph."""
        return GRAPH_MAIL_CAPABILITIES
