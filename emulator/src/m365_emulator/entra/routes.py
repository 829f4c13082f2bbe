"""Every address of the emulated Entra ID."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from m365_emulator.entra import metadata, sign_in, token_endpoint, userinfo
from m365_emulator.entra.answers import error_answer, read_form
from m365_emulator.entra.authorization import Kind
from m365_emulator.entra.errors import ERRORS, EntraError
from m365_emulator.entra.flow import Flow
from m365_emulator.entra.grant_types.device_code import find_by_user_code
from m365_emulator.entra.session import forget
from m365_emulator.web import render

if TYPE_CHECKING:
    from m365_emulator.world.world import World

Endpoint = Callable[[Request], Awaitable[Response]]
Handler = Callable[["World", Request], Awaitable[Response]]


def routes(world: World) -> list[BaseRoute]:
    """Return the routes of the login host (and userinfo, which is on the Graph host)."""

    def bound(handler: Handler) -> Endpoint:
        async def endpoint(request: Request) -> Response:
            return await handler(world, request)

        return endpoint

    def begins(kind: Kind) -> Endpoint:
        async def endpoint(request: Request) -> Response:
            return await _begin(world, request, kind)

        return endpoint

    def page(take: Callable[[sign_in.Step, dict[str, str]], Response]) -> Endpoint:
        async def endpoint(request: Request) -> Response:
            return await _continue(world, request, take)

        return endpoint

    both = ["GET", "POST"]
    return [
        Route("/pick", page(sign_in.choose), methods=["POST"]),
        Route("/password", page(sign_in.take_password), methods=["POST"]),
        Route("/second-step", page(sign_in.take_second_step), methods=["POST"]),
        Route("/permissions", page(sign_in.take_consent), methods=["POST"]),
        Route("/approval-required", page(sign_in.take_approval_request), methods=["POST"]),
        Route("/return-to-app", bound(_leave), methods=["GET"]),
        Route("/devicelogin", bound(_device_login), methods=both),
        Route("/error", bound(_explain), methods=["GET"]),
        Route("/oidc/userinfo", bound(userinfo.userinfo), methods=both),
        Route("/common/discovery/instance", bound(metadata.instances), methods=["GET"]),
        Route("/common/userrealm/{user}", bound(metadata.user_realm), methods=["GET"]),
        Route(
            "/{tenant}/v2.0/.well-known/openid-configuration",
            bound(metadata.openid_configuration),
            methods=["GET"],
        ),
        Route(
            "/{tenant}/.well-known/openid-configuration",
            bound(metadata.openid_configuration_v1),
            methods=["GET"],
        ),
        Route("/{tenant}/discovery/v2.0/keys", bound(metadata.keys), methods=["GET"]),
        Route("/{tenant}/discovery/keys", bound(metadata.keys), methods=["GET"]),
        Route("/{tenant}/oauth2/v2.0/authorize", begins("authorize"), methods=both),
        Route("/{tenant}/oauth2/authorize", begins("authorize_v1"), methods=both),
        Route("/{tenant}/oauth2/v2.0/token", bound(token_endpoint.token), methods=both),
        Route("/{tenant}/oauth2/token", bound(token_endpoint.token), methods=both),
        Route("/{tenant}/oauth2/v2.0/devicecode", bound(token_endpoint.device_code), methods=both),
        Route("/{tenant}/oauth2/v2.0/logout", bound(_logout), methods=both),
        Route("/{tenant}/oauth2/logout", bound(_logout), methods=both),
        Route("/{tenant}/v2.0/adminconsent", begins("adminconsent"), methods=["GET"]),
        Route("/{tenant}/adminconsent", begins("adminconsent_v1"), methods=["GET"]),
    ]


async def _begin(world: World, request: Request, kind: Kind) -> Response:
    params: dict[str, str] = {}
    for name, value in request.query_params.multi_items():
        params.setdefault(name, value)
    if request.method == "POST":
        try:
            params = {**params, **await read_form(request)}
        except EntraError as error:
            return error_answer(world, request, error)
    return sign_in.run(world, request, Flow(kind, request.path_params["tenant"], params))


async def _continue(
    world: World, request: Request, take: Callable[[sign_in.Step, dict[str, str]], Response]
) -> Response:
    try:
        form = await read_form(request)
    except EntraError:
        form = {}
    flow = Flow.opened(world, form.get("flow", ""))
    if flow is None:
        return _lost_page()

    def go_on(step: sign_in.Step) -> Response:
        return take(step, form)

    return sign_in.guarded(world, request, flow, go_on)


def _lost_page() -> Response:
    return render(
        "message.html",
        status=400,
        title="This page is out of date",
        text="The emulator was reset, or the form is not its own. Start again from the app. (AADSTS50089)",
    )


async def _leave(world: World, request: Request) -> Response:
    flow = Flow.opened(world, request.query_params.get("flow", ""))
    if flow is None:
        return _lost_page()
    return sign_in.guarded(world, request, flow, sign_in.leave)


async def _device_login(world: World, request: Request) -> Response:
    user_code = request.query_params.get("user_code", "")
    message = ""
    if request.method == "POST":
        try:
            user_code = (await read_form(request)).get("user_code", "")
        except EntraError:
            user_code = ""
        device = find_by_user_code(world, user_code)
        if device is not None:
            params = {
                "client_id": device.app_id,
                "scope": device.scope or "openid",
                "user_code": device.user_code,
                "prompt": "select_account",
            }
            return sign_in.run(world, request, Flow("device", device.authority, params))
        message = "That code is not waiting. Check it, or start again in the program."
    return render("device.html", title="Enter the code", user_code=user_code[:32], message=message)


async def _logout(world: World, request: Request) -> Response:
    params = dict(request.query_params)
    if request.method == "POST":
        try:
            params |= await read_form(request)
        except EntraError as error:
            return error_answer(world, request, error)
    target = params.get("post_logout_redirect_uri", "")
    registered = target and any(app.find_redirect_uri(target) for app in world.apps.values())
    response: Response
    if registered:
        state = params.get("state", "")
        separator = "&" if urlsplit(target).query else "?"
        response = RedirectResponse(target + (separator + urlencode({"state": state}) if state else ""), 302)
    else:
        response = render(
            "message.html", title="You signed out", text="It’s a good idea to close all browser windows."
        )
    forget(response)
    return response


async def _explain(world: World, request: Request) -> Response:
    text = request.query_params.get("code", "")
    kind = ERRORS.get(int(text)) if text.isdigit() and len(text) <= 7 else None
    return render(
        "message.html",
        status=200 if kind else 404,
        title=f"AADSTS{text}" if kind else "Unknown error code",
        text=kind.text if kind else "The emulator knows nothing about this number.",
    )
