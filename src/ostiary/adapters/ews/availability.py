"""Asks EWS one small question, to learn whether this app is let in at all."""

from __future__ import annotations

import asyncio
from typing import Final

import aiohttp

from ostiary.core.kernel.errors import ProviderContractBroken, TemporarilyUnavailable, Throttled
from ostiary.core.kernel.secret import Secret

CALL_SECONDS: Final = 10.0
_DEFAULT_WAIT_SECONDS: Final = 10.0

_GET_INBOX: Final = b"""\
<?xml version="1.0" encoding="utf-8"?>
<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"
 xmlns:m="http://schemas.microsoft.com/exchange/services/2006/messages"
 xmlns:t="http://schemas.microsoft.com/exchange/services/2006/types">
<s:Header><t:RequestServerVersion Version="Exchange2016"/></s:Header>
<s:Body><m:GetFolder><m:FolderShape><t:BaseShape>IdOnly</t:BaseShape></m:FolderShape>
<m:FolderIds><t:DistinguishedFolderId Id="inbox"/></m:FolderIds></m:GetFolder></s:Body></s:Envelope>"""


class EWSAccessCheck:
    """Implements ``EWSAvailability`` of ``core/consent``."""

    def __init__(self, session: aiohttp.ClientSession, *, endpoint: str) -> None:
        """``endpoint`` is the cloud's ``…/EWS/Exchange.asmx``."""
        self._session = session
        self._endpoint = endpoint

    async def is_reachable(self, *, access_token: Secret, address: str) -> bool:
        """Ask for the inbox; any answer of EWS itself, an error about the mailbox included, means we are let in.

        Source: Exchange Online answers 403 where EWS is off or the app is not on the allow list (ews.md §9).
        """
        headers = {
            "Authorization": f"Bearer {access_token.reveal()}",
            "Content-Type": "text/xml; charset=utf-8",
            "Accept": "text/xml",
        }
        if address.isascii() and address.isprintable():
            headers["X-AnchorMailbox"] = address
        try:
            async with (
                asyncio.timeout(CALL_SECONDS),
                self._session.post(
                    self._endpoint,
                    data=_GET_INBOX,
                    headers=headers,
                    # A redirect must not carry the bearer token elsewhere (SR-45).
                    allow_redirects=False,
                    timeout=aiohttp.ClientTimeout(total=CALL_SECONDS, connect=5),
                ) as response,
            ):
                return _is_let_in(response)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise TemporarilyUnavailable(
                "Microsoft isn’t answering properly.", reason="microsoft_down"
            ) from error


def _is_let_in(response: aiohttp.ClientResponse) -> bool:
    is_soap = response.content_type in {"text/xml", "application/soap+xml"}
    if response.status == 403:
        return False
    # Errors about the mailbox come as SOAP, inside 200 or 500: EWS looked at the request.
    if response.status == 200 or (response.status == 500 and is_soap):
        return True
    if response.status in {429, 503}:
        raise Throttled("Microsoft asked us to slow down.", retry_after_seconds=_DEFAULT_WAIT_SECONDS)
    if response.status >= 500:
        raise TemporarilyUnavailable("Microsoft isn’t answering properly.", reason="microsoft_down")
    raise ProviderContractBroken(f"EWS answered {response.status} to a plain question.")
