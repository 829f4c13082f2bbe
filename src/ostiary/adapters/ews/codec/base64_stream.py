"""The content of one attachment or message out of a SOAP answer of any size, without holding the answer (SR-90)."""

from __future__ import annotations

import base64
import binascii
from typing import Final
from xml.parsers import expat

from ostiary.adapters.ews.errors import translate
from ostiary.adapters.ews.soap import ERRORS, MESSAGES, MOST_DEPTH, SOAP, TYPES
from ostiary.core.kernel.errors import ProviderContractBroken, TemporarilyUnavailable

_CONTENT: Final = frozenset({f"{TYPES} Content", f"{TYPES} MimeContent"})
_CODES: Final = frozenset({f"{MESSAGES} ResponseCode", f"{ERRORS} ResponseCode"})
_MOST_CODE_CHARACTERS: Final = 200


class Base64Content:
    """Takes an answer piece by piece and gives back what its first content element holds, decoded.

    Entities cannot be declared: a DOCTYPE ends it, so nothing expands and nothing is fetched.
    """

    def __init__(self) -> None:
        self._parser = expat.ParserCreate("utf-8", namespace_separator=" ")
        self._parser.buffer_text = False
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._text
        self._parser.StartDoctypeDeclHandler = self._doctype
        self._path: list[str] = []
        self._pending: list[str] = []
        self._rest = ""
        self._code = ""
        self._seen = False
        self._is_inside = False

    def feed(self, data: bytes) -> bytes:
        """Take the next piece; return what it brought of the content.

        Raises:
            ProviderContractBroken: A DOCTYPE, too deep, or no base64.
            TemporarilyUnavailable: No XML: something on the way broke it.
        """
        self._parse(data, is_last=False)
        return self._decode(is_last=False)

    def finish(self) -> bytes:
        """Say that the answer has ended; return the rest of the content.

        Raises:
            TemporarilyUnavailable: It was cut short.
            OstiaryError: Exchange refused, and this is why.
        """
        self._parse(b"", is_last=True)
        if not self._seen:
            if self._code and self._code != "NoError":
                raise translate(200, self._code, {})
            raise ProviderContractBroken("Microsoft gave an answer we do not understand (Content).")
        return self._decode(is_last=True)

    @property
    def has_begun(self) -> bool:
        """Whether content was met, so that Exchange did not refuse."""
        return self._seen

    def _parse(self, data: bytes, *, is_last: bool) -> None:
        try:
            self._parser.Parse(data, is_last)
        except expat.ExpatError as error:
            raise TemporarilyUnavailable(
                "Microsoft isn’t answering properly.", reason="microsoft_down"
            ) from error

    def _decode(self, *, is_last: bool) -> bytes:
        if not self._pending and not is_last:
            return b""
        text = self._rest + "".join("".join(self._pending).split())
        self._pending.clear()
        whole = len(text) if is_last else len(text) - len(text) % 4
        self._rest = text[whole:]
        try:
            return base64.b64decode(text[:whole], validate=True)
        except (binascii.Error, ValueError) as error:
            raise ProviderContractBroken("Microsoft gave an answer we do not understand (base64).") from error

    def _start(self, name: str, attributes: object) -> None:
        if not self._path and name != f"{SOAP} Envelope":
            raise TemporarilyUnavailable("Microsoft isn’t answering properly.", reason="microsoft_down")
        self._path.append(name)
        if len(self._path) > MOST_DEPTH:
            raise ProviderContractBroken("Microsoft gave an answer we do not understand (too deep).")
        if name in _CONTENT and not self._seen:
            self._seen = self._is_inside = True

    def _end(self, name: str) -> None:
        self._path.pop()
        if self._is_inside and name in _CONTENT:
            self._is_inside = False

    def _text(self, data: str) -> None:
        if self._is_inside:
            self._pending.append(data)
        elif self._path and self._path[-1] in _CODES and len(self._code) < _MOST_CODE_CHARACTERS:
            self._code += data.strip()

    def _doctype(self, *declared: object) -> None:
        raise ProviderContractBroken("Microsoft gave an answer we do not understand (a document type).")
