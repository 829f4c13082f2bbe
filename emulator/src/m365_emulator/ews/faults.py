"""What can go wrong in EWS: for the whole request (`SoapFault`) or for one of its parts (`ResponseError`).

A fault is HTTP 500 with a SOAP fault body. A response error travels inside HTTP 200, in the response message that
stands at the place of the input it belongs to.

Source: https://learn.microsoft.com/exchange/client-developer/web-service-reference/responsecode
"""

from __future__ import annotations

from collections.abc import Mapping

from m365_emulator.ews import xml

# What the service says with a code when it has nothing more exact to say.
MESSAGES: Mapping[str, str] = {
    "ErrorAccessDenied": "Access is denied. Check credentials and try again.",
    "ErrorCalendarOccurrenceIndexIsOutOfRecurrenceRange": "Occurrence index is out of recurrence range.",
    "ErrorCalendarOccurrenceIsDeletedFromRecurrence": "The occurrence was deleted from the recurrence.",
    "ErrorCannotUseFolderIdForItemId": "Id must be an item id, not a folder id.",
    "ErrorCannotUseItemIdForFolderId": "Id must be a folder id, not an item id.",
    "ErrorChangeKeyRequiredForWriteOperations": "The change key is required for this operation.",
    "ErrorFolderNotFound": "The specified folder could not be found in the store.",
    "ErrorImpersonateUserDenied": "The account does not have permission to impersonate the requested user.",
    "ErrorInvalidAttachmentId": "The attachment Id is invalid.",
    "ErrorInvalidChangeKey": "The change key is invalid.",
    "ErrorInvalidIdEmpty": "Id must be non-empty.",
    "ErrorInvalidIdMalformed": "Id is malformed.",
    "ErrorInvalidSyncStateData": "Synchronization state data is corrupt or otherwise invalid.",
    "ErrorInvalidPropertySet": "Set action is invalid for property.",
    "ErrorIrresolvableConflict": "The send or update operation could not be performed because the change key "
    "passed in the request does not match the current change key for the item.",
    "ErrorItemNotFound": "The specified object was not found in the store.",
    "ErrorNameResolutionNoResults": "No results were found.",
    "ErrorNonExistentMailbox": "The SMTP address has no mailbox associated with it.",
    "ErrorServerBusy": "The server cannot service this request right now. Try again later.",
    "ErrorStaleObject": "The operation could not be performed because the object is out of date.",
    "ErrorSubscriptionNotFound": "The specified subscription was not found.",
    "ErrorToFolderNotFound": "The destination folder of the move or copy was not found.",
}


class EWSError(Exception):
    """Base of both kinds of failure; ``code`` is a ResponseCode of the published schema."""

    def __init__(self, code: str, message: str | None = None) -> None:
        self.code = code
        self.message = message or MESSAGES.get(code) or f"The request failed with {code}."
        super().__init__(f"{code}: {self.message}")


class ResponseError(EWSError):
    """One input of a batch failed; the others go on.

    Args:
        message_xml: Ready XML for ``m:MessageXml`` (for example the field that was refused).
    """

    def __init__(self, code: str, message: str | None = None, *, message_xml: str = "") -> None:
        super().__init__(code, message)
        self.message_xml = message_xml


class SoapFault(EWSError):
    """The whole request failed: HTTP 500 and a SOAP fault.

    Args:
        values: Named values for the fault's MessageXml (``BackOffMilliseconds`` for throttling).
        details: Elements that stand in MessageXml by their own name (``Violation`` for schema errors).
    """

    def __init__(
        self,
        code: str,
        message: str | None = None,
        *,
        values: Mapping[str, str] | None = None,
        details: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(code, message)
        self.values = dict(values or {})
        self.details = dict(details or {})

    def body(self) -> str:
        """Return the ``s:Fault`` element."""
        inner = "".join(xml.leaf(f"t:{name}", value) for name, value in self.details.items())
        inner += "".join(xml.leaf("t:Value", value, {"Name": name}) for name, value in self.values.items())
        detail = (
            f'<e:ResponseCode xmlns:e="{xml.ERRORS}">{self.code}</e:ResponseCode>'
            f'<e:Message xmlns:e="{xml.ERRORS}">{xml.text(self.message)}</e:Message>'
        )
        if inner:
            detail += f"<t:MessageXml>{inner}</t:MessageXml>"
        return (
            f'<s:Fault><faultcode xmlns:a="{xml.TYPES}">a:{self.code}</faultcode>'
            f'<faultstring xml:lang="en-US">{xml.text(self.message)}</faultstring><detail>{detail}</detail></s:Fault>'
        )


def schema_violation(violation: str, *, line: int = 0, position: int = 0) -> SoapFault:
    """Return the fault for a request that does not follow the schema."""
    return SoapFault(
        "ErrorSchemaValidation",
        f"The request failed schema validation: {violation}",
        details={"LineNumber": str(line), "LinePosition": str(position), "Violation": violation},
    )


def server_busy(back_off_milliseconds: int) -> SoapFault:
    """Return the throttling fault; the caller waits exactly this long and repeats the request.

    Source: https://learn.microsoft.com/exchange/client-developer/exchange-web-services/ews-throttling-in-exchange
    """
    return SoapFault("ErrorServerBusy", values={"BackOffMilliseconds": str(back_off_milliseconds)})
