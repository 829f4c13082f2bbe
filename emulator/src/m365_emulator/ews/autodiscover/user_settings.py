"""SOAP Autodiscover: GetUserSettings.

Source: https://learn.microsoft.com/exchange/client-developer/web-service-reference/getusersettings-operation-soap
"""

from __future__ import annotations

from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response

from m365_emulator.ews import access, soap, xml
from m365_emulator.ews.autodiscover.locate import Location, locate
from m365_emulator.ews.endpoint import XML, read_body
from m365_emulator.ews.faults import SoapFault
from m365_emulator.ews.soap import Node, elements
from m365_emulator.world.world import World

_NAMESPACE = "http://schemas.microsoft.com/exchange/2010/Autodiscover"
_A = f"{{{_NAMESPACE}}}"
_ACTION = f"{_NAMESPACE}/Autodiscover/GetUserSettings"
_MAX_USERS = 100
_MODERN = 'reason="Modern Auth is required for this endpoint."'


class UserSettings:
    """Answers ``/autodiscover/autodiscover.svc``."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def __call__(self, request: Request) -> Response:
        """Answer one request; without a token for Exchange it is HTTP 401, which clients probe for."""
        try:
            access.authenticate(self._world, request.headers.get("authorization"))
        except access.Unauthorized as error:
            return Response(
                status_code=401,
                headers={"WWW-Authenticate": error.challenge, "MS-Diagnostics-Public": f"4000001;{_MODERN}"},
            )
        try:
            body = self._answer(request, await read_body(request))
            status = 200
        except SoapFault as fault:
            body, status = fault.body(), 500
        return Response(_envelope(body), status_code=status, media_type=XML)

    def _answer(self, request: Request, data: bytes) -> str:
        root = soap.parse_tree(data)
        message = root.find(f"{xml.S}Body/{_A}GetUserSettingsRequestMessage")
        inner = message.find(f"{_A}Request") if message is not None else None
        if inner is None:
            raise SoapFault("ErrorInvalidRequest", "Only GetUserSettings is known here.")
        users = [(node.findtext(f"{_A}Mailbox") or "").strip() for node in _children(inner, "Users")]
        settings = [(node.text or "").strip() for node in _children(inner, "RequestedSettings")]
        if not users or not settings or len(users) > _MAX_USERS:
            return _response("InvalidRequest", "Users and RequestedSettings must not be empty.", "")
        answers = "".join(_user_response(locate(self._world, request, user), settings) for user in users)
        return _response("NoError", "", f"<a:UserResponses>{answers}</a:UserResponses>")


def _children(node: Node, name: str) -> list[Node]:
    found = node.find(f"{_A}{name}")
    return elements(found) if found is not None else []


def _envelope(body: str) -> bytes:
    major, minor, major_build, minor_build, _ = soap.SERVER_VERSION
    return (
        f'<?xml version="1.0" encoding="utf-8"?><s:Envelope xmlns:s="{xml.SOAP}" xmlns:a="{_NAMESPACE}" '
        f'xmlns:t="{xml.TYPES}" xmlns:i="{xml.INSTANCE}" xmlns:wsa="http://www.w3.org/2005/08/addressing"><s:Header>'
        f"<wsa:Action>{_ACTION}Response</wsa:Action><a:ServerVersionInfo><a:MajorVersion>{major}</a:MajorVersion>"
        f"<a:MinorVersion>{minor}</a:MinorVersion><a:MajorBuildNumber>{major_build}</a:MajorBuildNumber>"
        f"<a:MinorBuildNumber>{minor_build}</a:MinorBuildNumber><a:Version>Exchange2016</a:Version>"
        f"</a:ServerVersionInfo></s:Header><s:Body>{body}</s:Body></s:Envelope>"
    ).encode()


def _response(code: str, message: str, payload: str) -> str:
    return (
        "<a:GetUserSettingsResponseMessage><a:Response>"
        f"<a:ErrorCode>{code}</a:ErrorCode><a:ErrorMessage>{xml.text(message)}</a:ErrorMessage>{payload}"
        "</a:Response></a:GetUserSettingsResponseMessage>"
    )


def _user_response(location: Location | None, wanted: list[str]) -> str:
    if location is None or location.user is None:
        return _failed("InvalidUser", "The e-mail address cannot be found.")
    if location.on_premises:
        target = f"{location.service_url}/autodiscover/autodiscover.svc"
        return _failed("RedirectUrl", "The mailbox is on another server.", target)
    known = _settings(location)
    errors = "".join(
        f"<a:UserSettingError><a:ErrorCode>SettingIsNotAvailable</a:ErrorCode><a:ErrorMessage>Setting is not available."
        f"</a:ErrorMessage><a:SettingName>{xml.text(name)}</a:SettingName></a:UserSettingError>"
        for name in wanted
        if name not in known
    )
    values = "".join(
        f'<a:UserSetting i:type="a:StringSetting"><a:Name>{name}</a:Name><a:Value>{xml.text(known[name])}</a:Value>'
        "</a:UserSetting>"
        for name in wanted
        if name in known
    )
    return (
        "<a:UserResponse><a:ErrorCode>NoError</a:ErrorCode><a:ErrorMessage>No error.</a:ErrorMessage>"
        f'<a:RedirectTarget i:nil="true"/><a:UserSettingErrors>{errors}</a:UserSettingErrors>'
        f"<a:UserSettings>{values}</a:UserSettings></a:UserResponse>"
    )


def _failed(code: str, message: str, target: str = "") -> str:
    redirect = (
        f"<a:RedirectTarget>{xml.text(target)}</a:RedirectTarget>"
        if target
        else '<a:RedirectTarget i:nil="true"/>'
    )
    return (
        f"<a:UserResponse><a:ErrorCode>{code}</a:ErrorCode><a:ErrorMessage>{xml.text(message)}</a:ErrorMessage>"
        f"{redirect}<a:UserSettingErrors/><a:UserSettings/></a:UserResponse>"
    )


def _settings(location: Location) -> Mapping[str, str]:
    user = location.user
    if user is None:
        return {}
    distinguished_name = f"/o=ExchangeLabs/ou=Exchange Administrative Group/cn=Recipients/cn={user.oid}"
    return {
        "UserDisplayName": user.display_name,
        "UserDN": distinguished_name,
        "MailboxDN": distinguished_name,
        "AutoDiscoverSMTPAddress": user.mail or user.upn,
        "ExternalEwsUrl": location.ews_url,
        "InternalEwsUrl": location.ews_url,
        "EwsPartnerUrl": location.ews_url,
        "CasVersion": ".".join(str(part) for part in soap.SERVER_VERSION[:4]),
        "EwsSupportedSchemas": ", ".join(sorted(soap.REQUEST_VERSIONS)),
        "GroupingInformation": "EMULATOR01",
        "UserMSOnline": "True",
        "MapiHttpEnabled": "True",
    }
