"""The one place where errors of the mailbox store become response codes."""

from __future__ import annotations

from m365_emulator.ews.faults import ResponseError
from m365_emulator.world.mailbox import errors

_CODES: tuple[tuple[type[errors.MailboxError], str], ...] = (
    (errors.MalformedId, "ErrorInvalidIdMalformed"),
    (errors.FolderNotFound, "ErrorFolderNotFound"),
    (errors.ItemNotFound, "ErrorItemNotFound"),
    (errors.FolderExists, "ErrorFolderExists"),
    (errors.FolderProtected, "ErrorDeleteDistinguishedFolder"),
    (errors.ChangeConflict, "ErrorIrresolvableConflict"),
    (errors.ChangesForgotten, "ErrorInvalidSyncStateData"),
    (errors.InvalidRecipients, "ErrorInvalidRecipients"),
    (errors.NotAllowed, "ErrorAccessDenied"),
    (errors.OccurrenceGone, "ErrorCalendarOccurrenceIsDeletedFromRecurrence"),
    (errors.OccurrenceCrossing, "ErrorOccurrenceCrossingBoundary"),
    (errors.MeetingRefused, "ErrorCalendarInvalidPropertyState"),
    (errors.InvalidContent, "ErrorInvalidPropertySet"),
)
# What a value is refused for has its own code where Exchange has one; the key is the store's name of the field.
_CONTENT_CODES = {
    "recurrence": "ErrorCalendarInvalidRecurrence",
    "end": "ErrorCalendarEndDateIsEarlierThanStartDate",
    "timeZone": "ErrorCalendarInvalidTimeZone",
    "mime": "ErrorMimeContentInvalid",
    "destinationId": "ErrorMoveCopyFailed",
    "displayName": "ErrorFolderSavePropertyError",
}


def translate(error: errors.MailboxError) -> ResponseError:
    """Return the response error for an error of the store."""
    if isinstance(error, errors.InvalidContent) and error.field in _CONTENT_CODES:
        return ResponseError(_CONTENT_CODES[error.field], str(error) or None)
    for kind, code in _CODES:
        if isinstance(error, kind):
            # The texts of these two are Exchange's own and say more than the store's.
            keep = code not in {"ErrorInvalidIdMalformed", "ErrorInvalidSyncStateData"}
            return ResponseError(code, (str(error) or None) if keep else None)
    return ResponseError("ErrorInternalServerError", str(error) or None)
