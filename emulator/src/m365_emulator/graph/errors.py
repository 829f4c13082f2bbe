"""Graph's errors: one exception, and the translation of the store's errors into it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from m365_emulator.world.mailbox import errors as store
from m365_emulator.world.mailbox.delivery import SendAsDenied
from m365_emulator.world.mailbox.timezones import UnknownTimeZone


class GraphError(Exception):
    """An error answer.

    Source: Microsoft Graph error responses; the codes are those of Outlook's part of Graph.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        headers: dict[str, str] | None = None,
        inner: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers = headers or {}
        self.inner = inner or {}

    def body(self, now: datetime, request_id: str, client_request_id: str) -> dict[str, Any]:
        """Return the JSON of the answer."""
        inner = {
            **self.inner,
            "date": now.isoformat()[:19],
            "request-id": request_id,
            "client-request-id": client_request_id,
        }
        return {"error": {"code": self.code, "message": self.message, "innerError": inner}}


def bad_request(message: str, code: str = "BadRequest") -> GraphError:
    """Return a 400; the caller must change the request."""
    return GraphError(400, code, message)


def access_denied() -> GraphError:
    """Return the 403 for a missing permission or right."""
    return GraphError(403, "ErrorAccessDenied", "Access is denied. Check credentials and try again.")


def not_found(
    code: str = "ErrorItemNotFound", message: str = "The specified object was not found in the store."
) -> GraphError:
    """Return a 404."""
    return GraphError(404, code, message)


def no_mailbox() -> GraphError:
    """Return the 404 for users without a usable cloud mailbox."""
    return GraphError(
        404,
        "MailboxNotEnabledForRESTAPI",
        "The mailbox is either inactive, soft-deleted, or is hosted on-premise.",
    )


def from_store(error: store.MailboxError) -> GraphError:
    """Translate an error of the mailbox store."""
    text = str(error)
    match error:
        case store.MalformedId():
            return GraphError(400, "ErrorInvalidIdMalformed", "Id is malformed.")
        case store.FolderNotFound():
            return GraphError(404, "ErrorFolderNotFound", text)
        case store.ItemNotFound() | store.OccurrenceGone():
            return GraphError(404, "ErrorItemNotFound", "The specified object was not found in the store.")
        case store.FolderExists():
            return GraphError(409, "ErrorFolderExists", text)
        case store.FolderProtected():
            return GraphError(403, "ErrorDeleteDistinguishedFolder", text)
        case store.ChangeConflict():
            return GraphError(412, "ErrorIrresolvableConflict", text)
        case store.ChangesForgotten():
            return GraphError(410, "SyncStateNotFound", text)
        case UnknownTimeZone():
            return GraphError(400, "TimeZoneNotSupportedException", text)
        case store.InvalidContent():
            return GraphError(400, "ErrorPropertyValidationFailure", text)
        case store.InvalidRecipients():
            return GraphError(400, "ErrorInvalidRecipients", text)
        case SendAsDenied():
            return GraphError(403, "ErrorSendAsDenied", text)
        case store.NotAllowed():
            return GraphError(403, "ErrorAccessDenied", text)
        case store.OccurrenceCrossing():
            return GraphError(400, "ErrorOccurrenceCrossingBoundary", text)
        case store.MeetingRefused():
            return GraphError(400, "ErrorInvalidRequest", text)
        case _:
            return GraphError(500, "ErrorInternalServerError", "The server encountered an internal error.")
