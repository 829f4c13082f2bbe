"""Success or failure inside SOAP: faults of a whole call, response messages of its parts."""

from __future__ import annotations

from collections.abc import Iterator

from ostiary.adapters.ews.errors import translate
from ostiary.adapters.ews.soap import E, Element, M, T
from ostiary.core.kernel.errors import OstiaryError, ProviderContractBroken


def fault_code(fault: Element) -> str | None:
    """Return the ``ResponseCode`` of a fault; the fault code itself where there is none.

    Source: ews.md §5: ``detail/e:ResponseCode``; ``faultcode`` is a qualified name.
    """
    code = fault.findtext(f"detail/{E}ResponseCode")
    if code:
        return code.strip()
    name = (fault.findtext("faultcode") or "").strip().rpartition(":")[2]
    return name if name.startswith("Error") else None


def message_values(node: Element) -> tuple[int | None, str | None]:
    """Return ``BackOffMilliseconds`` and ``InnerErrorResponseCode`` of the ``MessageXml`` inside ``node``."""
    back_off: int | None = None
    inner: str | None = None
    for value in node.iter(f"{T}Value"):
        text = (value.text or "").strip()
        if value.get("Name") == "BackOffMilliseconds" and text.isascii() and text.isdigit():
            back_off = int(text[:9])
        elif value.get("Name") == "InnerErrorResponseCode":
            inner = text
    return back_off, inner


def response_messages(response: Element, *, expected_count: int) -> Iterator[Element | OstiaryError]:
    """Yield what became of each part of a call, in the order of the request: its message, or its error.

    Raises:
        ProviderContractBroken: Not one message for each part.
        TemporarilyUnavailable, Throttled: Exchange stopped before the end; the whole call has to be repeated.
    """
    listed = response.find(f"{M}ResponseMessages")
    messages = [] if listed is None else list(listed)
    if len(messages) != expected_count:
        raise ProviderContractBroken("Microsoft did not answer every part of the question.")
    for message in messages:
        code = (message.findtext(f"{M}ResponseCode") or "").strip()
        if message.get("ResponseClass") == "Success" and code == "NoError":
            yield message
            continue
        message_xml = message.find(f"{M}MessageXml")
        back_off, inner = (None, None) if message_xml is None else message_values(message_xml)
        yield translate(200, code or None, {}, back_off_milliseconds=back_off, inner_code=inner)


def only_message(response: Element) -> Element:
    """Return the message of a call that has one part; raises its error."""
    (outcome,) = response_messages(response, expected_count=1)
    if isinstance(outcome, OstiaryError):
        raise outcome
    return outcome
