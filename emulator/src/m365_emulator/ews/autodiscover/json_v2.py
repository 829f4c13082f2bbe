"""Autodiscover V2: one unauthenticated GET, one JSON object.

Source: https://learn.microsoft.com/microsoftteams/troubleshoot/known-issues/teams-exchange-interaction-issue
"""

from __future__ import annotations

from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from m365_emulator.ews.autodiscover.locate import EWS_PATH, locate
from m365_emulator.world.world import World

_PATHS: Mapping[str, tuple[str, str]] = {
    "ews": ("EWS", EWS_PATH),
    "activesync": ("ActiveSync", "/Microsoft-Server-ActiveSync"),
    "autodiscoverv1": ("AutodiscoverV1", "/autodiscover/autodiscover.xml"),
    "rest": ("REST", "/api"),
}


class AutodiscoverV2:
    """Answers ``/autodiscover/autodiscover.json`` in both of its forms."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def __call__(self, request: Request) -> Response:
        """Answer with the URL of a protocol; 200 is no proof that the mailbox exists."""
        query = {name.lower(): value for name, value in request.query_params.items()}
        address = request.path_params.get("address") or query.get("email") or ""
        protocol = query.get("protocol", "")
        if not address:
            return _error(
                "MandatoryParameterMissing", "A valid value must be provided for the query parameter 'Email'"
            )
        if not protocol:
            return _error(
                "MandatoryParameterMissing",
                "A valid value must be provided for the query parameter 'Protocol'",
            )
        known = _PATHS.get(protocol.lower())
        if known is None:
            names = ",".join(name for name, _ in _PATHS.values())
            return _error(
                "ProtocolNotSupported",
                f"The given protocol value '{protocol[:50]}' is invalid. Supported values are '{names}'",
            )
        local, separator, domain = address.rpartition("@")
        if not separator or not local or not domain:
            return _error(
                "InvalidUserId", f"The given value '{address[:100]}' is not a valid e-mail address."
            )
        found = locate(self._world, request, address)
        if found is None:
            return _error("UserNotFound", "The given user is not found.", status=404)
        name, path = known
        return JSONResponse({"Protocol": name, "Url": found.service_url + path})


def _error(code: str, message: str, *, status: int = 400) -> Response:
    return JSONResponse({"ErrorCode": code, "ErrorMessage": message}, status_code=status)
