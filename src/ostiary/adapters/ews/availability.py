"""Asks EWS one small question, to learn whether this app is let in at all."""

from __future__ import annotations

from ostiary.adapters.ews.operations import get_folder
from ostiary.adapters.ews.operations.shape import FolderId
from ostiary.adapters.ews.session import EWSSession
from ostiary.core.connections.model import MailboxAccess
from ostiary.core.kernel.errors import (
    AccessBlocked,
    MailboxMissing,
    NotFound,
    PermissionDenied,
)
from ostiary.core.kernel.secret import Secret


class EWSAppAvailability:
    """``EWSAvailability`` of ``core/consent``, with a token that is used once and kept nowhere."""

    def __init__(self, session: EWSSession) -> None:
        self._session = session

    async def is_reachable(self, *, access_token: Secret, address: str) -> bool:
        """Ask for the inbox; an answer about the mailbox, even that there is none, means we are let in.

        Source: Exchange Online answers 403 where EWS is off or the app is not on the allow list (ews.md §9).
        """

        async def token(_fresh: bool) -> Secret:
            return access_token

        mailbox = MailboxAccess(
            connection_id="", tenant_id="", object_id="", address=address, access_token=token
        )
        try:
            await self._session.call(
                mailbox, get_folder.OPERATION, get_folder.request([FolderId.named("inbox")])
            )
        except AccessBlocked:
            return False
        except (MailboxMissing, NotFound, PermissionDenied):
            return True
        return True
