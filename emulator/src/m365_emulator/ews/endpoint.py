"""``/EWS/Exchange.asmx``: the gates, then the envelope, then one operation."""

from __future__ import annotations

import logging
from uuid import UUID

from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, Response

from m365_emulator.ews import access, soap
from m365_emulator.ews.call import Call
from m365_emulator.ews.faults import EWSError, SoapFault, schema_violation
from m365_emulator.ews.impersonation import acting_user
from m365_emulator.ews.notifications.push import start_pushing
from m365_emulator.ews.operations import OPERATIONS
from m365_emulator.ews.state import state_of
from m365_emulator.ews.store_errors import translate
from m365_emulator.ews.strict import check_schema
from m365_emulator.world.mailbox.errors import MailboxError
from m365_emulator.world.world import World

_log = logging.getLogger(__name__)
XML = "text/xml; charset=utf-8"
AFFINITY_COOKIE = "X-BackEndOverrideCookie"
_HELP = "<html><head><title>Service</title></head><body><p>You have created a service.</p></body></html>"


class ExchangeEndpoint:
    """Answers requests to the EWS endpoint of one world."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def __call__(self, request: Request) -> Response:
        """Answer one HTTP request, whatever it holds."""
        try:
            token = access.authenticate(self._world, request.headers.get("authorization"))
            access.check_organization(token.tenant, token.app_id, self._world.clock.now())
        except access.Unauthorized as error:
            await _drain(request)
            return self._finish(request, _unauthorized(error))
        except access.EWSBlocked:
            await _drain(request)
            return self._finish(request, Response(status_code=403))
        if request.method in {"GET", "HEAD"}:
            return self._finish(request, HTMLResponse(_HELP))
        try:
            response = await self._operate(request, token)
        except access.EWSBlocked:
            response = Response(status_code=403)
        except SoapFault as fault:
            response = _fault(fault)
        except MailboxError as error:
            response = _fault(_as_fault(translate(error)))
        except EWSError as error:
            response = _fault(_as_fault(error))
        except ClientDisconnect:
            raise
        except Exception:
            _log.exception("EWS request failed")
            response = _fault(SoapFault("ErrorInternalServerError", "An internal server error occurred."))
        return self._finish(request, response)

    async def _operate(self, request: Request, token: access.AccessToken) -> Response:
        parsed = soap.parse(await read_body(request))
        user = acting_user(self._world, token, parsed.impersonate)
        access.check_mailbox(user, request.headers.get("user-agent", ""), self._world.clock.now())
        mailbox = self._world.mailbox_of(user)
        if mailbox is None:
            raise SoapFault("ErrorNonExistentMailbox")
        operation = OPERATIONS.get(parsed.operation)
        if operation is None:
            raise SoapFault("ErrorInvalidRequest", f"The operation '{parsed.operation[:100]}' is not known.")
        state = state_of(self._world)
        for subscription in state.subscriptions.unserved_pushes():
            start_pushing(state.subscriptions, subscription)
        state.throttle.admit(token.app_id, mailbox.guid, self._world.clock.now())
        if state.strict_schema:
            check_schema(parsed.body)
        call = Call(
            world=self._world,
            state=state,
            request=parsed,
            token=token,
            user=user,
            mailbox=mailbox,
            base_url=base_url(request),
            headers=request.headers,
        )
        answer = operation(call)
        if isinstance(answer, Response):
            return answer
        return Response(soap.envelope(answer), media_type=XML)

    def _finish(self, request: Request, response: Response) -> Response:
        response.headers["request-id"] = str(UUID(int=self._world.rng.getrandbits(128), version=4))
        response.headers["X-CalculatedBETarget"] = response.headers["X-BEServer"] = "EMULATOR01"
        response.headers["X-FEServer"] = "EMULATORFE01"
        client_request_id = request.headers.get("client-request-id", "")
        if client_request_id and request.headers.get("return-client-request-id", "").lower() == "true":
            response.headers["client-request-id"] = client_request_id
        if (
            request.headers.get("x-preferserveraffinity", "").lower() == "true"
            and response.status_code == 200
        ):
            cookie = (
                request.headers.get(AFFINITY_COOKIE)
                or f"EMULATOR01~{int(self._world.clock.now().timestamp())}"
            )
            response.set_cookie(AFFINITY_COOKIE, cookie, path="/", httponly=True)
        return response


def base_url(request: Request) -> str:
    """Return scheme and host of a request, from which every URL in an answer is built."""
    host = request.headers.get("host") or "localhost"
    return f"{request.url.scheme}://{host}"


async def read_body(request: Request) -> bytes:
    """Return the body of a request; raises a SOAP fault when it is empty or too big."""
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > soap.MAX_REQUEST_BYTES:
            raise SoapFault("ErrorRequestStreamTooBig", "The request is too big.")
        chunks.append(chunk)
    if not size:
        raise schema_violation("The request has no body.")
    return b"".join(chunks)


async def _drain(request: Request) -> None:
    """Read what is left of a request that is turned away: the connection can only be kept if nothing stays unread."""
    left = soap.MAX_REQUEST_BYTES
    async for chunk in request.stream():
        left -= len(chunk)
        if left < 0:
            return


def _as_fault(error: EWSError) -> SoapFault:
    return SoapFault(error.code, error.message)


def _fault(fault: SoapFault) -> Response:
    return Response(soap.envelope(fault.body()), status_code=500, media_type=XML)


def _unauthorized(error: access.Unauthorized) -> Response:
    return Response(
        status_code=401,
        headers={
            "WWW-Authenticate": error.challenge,
            "x-ms-diagnostics": error.diagnostics,
            "MS-Diagnostics-Public": error.diagnostics,
        },
    )
