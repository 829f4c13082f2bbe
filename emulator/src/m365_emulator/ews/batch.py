"""Answers of batch operations: one response message per input, in the order of the inputs."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import TypeVar

from m365_emulator.ews import xml
from m365_emulator.ews.faults import ResponseError, SoapFault
from m365_emulator.ews.store_errors import translate
from m365_emulator.world.mailbox.errors import MailboxError

_log = logging.getLogger(__name__)
_Input = TypeVar("_Input")


def success(operation: str, payload: str = "") -> str:
    """Return one response message that worked."""
    return (
        f'<m:{operation}ResponseMessage ResponseClass="Success"><m:ResponseCode>NoError</m:ResponseCode>{payload}'
        f"</m:{operation}ResponseMessage>"
    )


def failure(operation: str, error: ResponseError, payload: str = "", *, response_class: str = "Error") -> str:
    """Return one response message that did not; ``payload`` is what the schema wants even then."""
    details = f"<m:MessageXml>{error.message_xml}</m:MessageXml>" if error.message_xml else ""
    return (
        f'<m:{operation}ResponseMessage ResponseClass="{response_class}">'
        f"<m:MessageText>{xml.text(error.message)}</m:MessageText><m:ResponseCode>{error.code}</m:ResponseCode>"
        f"<m:DescriptiveLinkKey>0</m:DescriptiveLinkKey>{details}{payload}</m:{operation}ResponseMessage>"
    )


def respond(operation: str, messages: Iterable[str]) -> str:
    """Return the whole response element of an operation."""
    return f"<m:{operation}Response><m:ResponseMessages>{''.join(messages)}</m:ResponseMessages></m:{operation}Response>"


def each(
    operation: str, inputs: Iterable[_Input], answer: Callable[[_Input], str], *, on_error: str = ""
) -> str:
    """Return the response of an operation that treats its inputs one by one.

    Args:
        answer: Returns the payload of one input's response message.
        on_error: The payload the schema demands in a message that failed.
    """
    return respond(
        operation, [one(operation, lambda item=item: answer(item), on_error=on_error) for item in inputs]
    )


def one(operation: str, answer: Callable[[], str], *, on_error: str = "") -> str:
    """Return one response message, with what went wrong if something did."""
    try:
        return success(operation, answer())
    except ResponseError as error:
        return failure(operation, error, on_error)
    except MailboxError as error:
        return failure(operation, translate(error), on_error)
    except SoapFault:
        raise
    except Exception:
        # A defect of the emulator must not take the other inputs of the batch with it.
        _log.exception("EWS %s failed", operation)
        return failure(
            operation,
            ResponseError("ErrorInternalServerError", "An internal server error occurred."),
            on_error,
        )
