"""userinfo, which Microsoft serves from the Graph host."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import Response

from m365_emulator.entra.answers import json_answer
from m365_emulator.entra.tokens import InvalidToken, pairwise_subject, read_access_token
from m365_emulator.world.resources import GRAPH

if TYPE_CHECKING:
    from m365_emulator.world.world import World

_AUDIENCES = {"https://graph.microsoft.com", GRAPH}


async def userinfo(world: World, request: Request) -> Response:
    """`GET /oidc/userinfo`: needs a Graph token with `openid`.

    Source: learn.microsoft.com/entra/identity-platform/userinfo
    """
    try:
        token = read_access_token(world, request.headers.get("authorization"), _AUDIENCES)
        if token.user is None or "openid" not in token.scopes:
            raise InvalidToken("The token has no openid scope.", "InvalidAuthenticationToken")
    except InvalidToken as error:
        return json_answer(
            {"error": {"code": error.code, "message": error.reason}},
            status=401,
            headers={"www-authenticate": 'Bearer error="invalid_token"'},
        )
    user = token.user
    content: dict[str, Any] = {
        "sub": pairwise_subject(token.audience, user.oid),
        "name": user.display_name,
        "picture": "https://graph.microsoft.com/v1.0/me/photo/$value",
    }
    if user.surname:
        content["family_name"] = user.surname
    if user.given_name:
        content["given_name"] = user.given_name
    if user.mail and "email" in token.scopes:
        content["email"] = user.mail
    return json_answer(content)
