"""Proves over EWS that a mailbox is there and may be used."""

from __future__ import annotations

from ostiary.adapters.ews.operations import get_folder
from ostiary.adapters.ews.operations.shape import FolderId
from ostiary.adapters.ews.response_code import response_messages
from ostiary.adapters.ews.session import EWSSession
from ostiary.core.connections.model import MailboxAccess, MailboxFacts
from ostiary.core.kernel.errors import MailboxMissing, NotFound, OstiaryError


class EWSMailboxProbe:
    """``MailboxProbe`` over EWS: are the inbox and the calendar of the signed-in person there."""

    def __init__(self, session: EWSSession) -> None:
        self._session = session

    async def probe(self, mailbox: MailboxAccess, *, mail: bool, calendar: bool) -> MailboxFacts:
        """Read one or two folder ids in one call; nothing of the content.

        The folders named are those of the person whose token it is (ews.md §2), so an answer is proof.

        Source: EWS GetFolder operation.
        """
        names = [name for name, wanted in (("inbox", mail), ("calendar", calendar)) if wanted] or ["inbox"]
        body = get_folder.request([FolderId.named(name) for name in names])
        response = await self._session.call(mailbox, get_folder.OPERATION, body)
        for outcome in response_messages(response, expected_count=len(names)):
            if isinstance(outcome, NotFound):
                raise MailboxMissing(
                    "Microsoft found no cloud mailbox for this account.",
                    reason="mailbox_missing",
                    provider=outcome.provider,
                )
            if isinstance(outcome, OstiaryError):
                raise outcome
        return MailboxFacts(address=mailbox.address, display_name="", object_id=None)
