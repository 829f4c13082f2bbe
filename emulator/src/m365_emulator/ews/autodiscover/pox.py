"""POX Autodiscover: plain XML in, plain XML out, as older mail programs ask.

Source: https://learn.microsoft.com/exchange/client-developer/web-service-reference/pox-autodiscover-web-service-reference-for-exchange
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from m365_emulator.ews import access, soap, xml
from m365_emulator.ews.autodiscover.locate import Location, locate
from m365_emulator.ews.endpoint import XML, read_body
from m365_emulator.ews.faults import SoapFault
from m365_emulator.world.world import World

_REQUEST = "{http://schemas.microsoft.com/exchange/autodiscover/outlook/requestschema/2006}"
_RESPONSE = "http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006"
_OUTLOOK = "http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a"


class PlainXML:
    """Answers ``/autodiscover/autodiscover.xml``."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def __call__(self, request: Request) -> Response:
        """Answer one request; errors come with HTTP 200, in the body."""
        try:
            access.authenticate(self._world, request.headers.get("authorization"))
        except access.Unauthorized as error:
            return Response(status_code=401, headers={"WWW-Authenticate": error.challenge})
        try:
            root = soap.parse_tree(await read_body(request))
        except SoapFault:
            return self._answer(_error("600", "Invalid Request"))
        address = (root.findtext(f"{_REQUEST}Request/{_REQUEST}EMailAddress") or "").strip()
        schema = (root.findtext(f"{_REQUEST}Request/{_REQUEST}AcceptableResponseSchema") or "").strip()
        if not address:
            return self._answer(_error("600", "Invalid Request"))
        if schema != _OUTLOOK:
            return self._answer(_error("601", "Provider is not available"))
        found = locate(self._world, request, address)
        if found is None or found.user is None:
            return self._answer(_error("500", "The email address can't be found."))
        return self._answer(_account(found))

    def _answer(self, inner: str) -> Response:
        document = (
            f'<?xml version="1.0" encoding="utf-8"?><Autodiscover xmlns="{_RESPONSE}">{inner}</Autodiscover>'
        )
        return Response(document.encode(), media_type=XML)


def _error(code: str, message: str) -> str:
    return (
        f'<Response><Error Time="00:00:00" Id="0"><ErrorCode>{code}</ErrorCode><Message>{message}</Message>'
        "<DebugData/></Error></Response>"
    )


def _account(found: Location) -> str:
    user = found.user
    name = user.display_name if user else ""
    address = (user.mail or user.upn) if user else ""
    if found.on_premises:
        target = f"{found.service_url}/autodiscover/autodiscover.xml"
        action = f"<Action>redirectUrl</Action><RedirectUrl>{xml.text(target)}</RedirectUrl>"
        return f'<Response xmlns="{_OUTLOOK}"><Account>{action}</Account></Response>'
    url = xml.text(found.ews_url)
    return (
        f'<Response xmlns="{_OUTLOOK}"><User><DisplayName>{xml.text(name)}</DisplayName>'
        f"<AutoDiscoverSMTPAddress>{xml.text(address)}</AutoDiscoverSMTPAddress></User>"
        "<Account><AccountType>email</AccountType><Action>settings</Action><MicrosoftOnline>True</MicrosoftOnline>"
        f"<Protocol><Type>EXPR</Type><SSL>On</SSL><AuthPackage>Anonymous</AuthPackage><ASUrl>{url}</ASUrl>"
        f"<EwsUrl>{url}</EwsUrl></Protocol></Account></Response>"
    )
