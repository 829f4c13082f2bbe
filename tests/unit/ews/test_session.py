"""The EWS session against a server that behaves badly."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web

from ostiary.adapters.ews.mail import EWSMailGateway
from ostiary.adapters.ews.session import EWSSession
from ostiary.core.connections.model import MailboxAccess
from ostiary.core.kernel.errors import (
    AccessBlocked,
    NotFound,
    OstiaryError,
    ProviderContractBroken,
    ReauthorizationRequired,
    TemporarilyUnavailable,
    Throttled,
)
from ostiary.core.kernel.secret import Secret

OPEN = (
    '<?xml version="1.0" encoding="utf-8"?><s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" '
    'xmlns:m="http://schemas.microsoft.com/exchange/services/2006/messages" '
    'xmlns:t="http://schemas.microsoft.com/exchange/services/2006/types" '
    'xmlns:e="http://schemas.microsoft.com/exchange/services/2006/errors"><s:Body>'
)
CLOSE = "</s:Body></s:Envelope>"


def fault(code: str, values: str = "") -> bytes:
    return (
        f"{OPEN}<s:Fault><faultcode>a:{code}</faultcode><faultstring>x</faultstring><detail>"
        f"<e:ResponseCode>{code}</e:ResponseCode><t:MessageXml>{values}</t:MessageXml></detail></s:Fault>{CLOSE}"
    ).encode()


def item_error(code: str, message_xml: str = "", count: int = 1) -> bytes:
    message = (
        f'<m:GetItemResponseMessage ResponseClass="Error"><m:ResponseCode>{code}</m:ResponseCode>{message_xml}'
        "<m:Items/></m:GetItemResponseMessage>"
    )
    return (
        f"{OPEN}<m:GetItemResponse><m:ResponseMessages>{message * count}</m:ResponseMessages></m:GetItemResponse>"
        f"{CLOSE}"
    ).encode()


class Exchange:
    """A stand-in whose one answer the test chooses."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self.calls = 0
        self.headers: dict[str, str] = {}
        self.forced: list[bool] = []
        self.response: tuple[int, bytes, dict[str, str]] = (200, b"", {})
        self.mail = EWSMailGateway(EWSSession(session, endpoint_url=url, timeout_seconds=2))
        self.mailbox = MailboxAccess("con_1", "tid", "oid", "tom.ellis@harbourvale.example", self._token)

    async def _token(self, fresh: bool) -> Secret:
        self.forced.append(fresh)
        return Secret("fresh-token" if fresh else "old-token")

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.calls += 1
        self.headers = dict(request.headers)
        status, body, headers = self.response
        return web.Response(status=status, body=body, headers={"Content-Type": "text/xml", **headers})

    async def ask(self) -> None:
        await self.mail.get_message(self.mailbox, "AAMk")


@pytest_asyncio.fixture
async def exchange() -> AsyncIterator[Exchange]:
    async with aiohttp.ClientSession() as session:
        app = web.Application()
        runner = web.AppRunner(app)
        holder: list[Exchange] = []

        async def handle(request: web.Request) -> web.StreamResponse:
            return await holder[0].handle(request)

        app.router.add_route("*", "/{tail:.*}", handle)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        holder.append(Exchange(session, f"http://127.0.0.1:{runner.addresses[0][1]}/EWS/Exchange.asmx"))
        yield holder[0]
        await runner.cleanup()


@pytest.mark.parametrize("body", [b"", b"<html>Forbidden</html>", fault("ErrorServerBusy")])
async def test_any_403_means_ews_is_blocked(exchange: Exchange, body: bytes) -> None:
    exchange.response = (403, body, {})

    with pytest.raises(AccessBlocked) as caught:
        await exchange.ask()

    assert caught.value.reason == "ews_off"
    assert exchange.calls == 1  # not asked again: ews.md §8 warns of hot retries


async def test_refused_token_is_renewed_once_and_then_the_person_is_needed(exchange: Exchange) -> None:
    exchange.response = (401, b"", {"WWW-Authenticate": 'Bearer error="invalid_token"'})

    with pytest.raises(ReauthorizationRequired):
        await exchange.ask()

    assert exchange.forced == [False, True]


async def test_busy_server_says_how_long_to_wait(exchange: Exchange) -> None:
    values = '<t:Value Name="BackOffMilliseconds">297749</t:Value>'
    exchange.response = (500, fault("ErrorServerBusy", values), {})

    with pytest.raises(Throttled) as caught:
        await exchange.ask()

    assert caught.value.retry_after_seconds == pytest.approx(297.749)


async def test_busy_server_hidden_in_an_item_says_how_long_to_wait(exchange: Exchange) -> None:
    xml = (
        '<m:MessageXml><t:Value Name="InnerErrorResponseCode">ErrorServerBusy</t:Value>'
        '<t:Value Name="BackOffMilliseconds">4000</t:Value></m:MessageXml>'
    )
    exchange.response = (200, item_error("ErrorInternalServerError", xml), {})

    with pytest.raises(Throttled) as caught:
        await exchange.ask()

    assert caught.value.retry_after_seconds == 4.0


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (200, item_error("ErrorItemNotFound"), NotFound),
        (200, item_error("NoError"), ProviderContractBroken),
        (200, item_error("ErrorItemNotFound", count=2), ProviderContractBroken),
        (200, f"{OPEN}<m:FindItemResponse/>{CLOSE}".encode(), ProviderContractBroken),
        (200, f"{OPEN}<m:GetItemResponse/>{CLOSE}".encode(), ProviderContractBroken),
        (200, b"<!DOCTYPE a []><a/>", ProviderContractBroken),
        (200, b"<html>busy</html>", TemporarilyUnavailable),
        (200, item_error("ErrorItemNotFound")[:200], TemporarilyUnavailable),
        (200, b"", TemporarilyUnavailable),
        (500, b"<html>Server Error</html>", TemporarilyUnavailable),
        (500, fault("ErrorSchemaValidation"), ProviderContractBroken),
        (500, fault("ErrorMailboxMoveInProgress"), TemporarilyUnavailable),
        (503, b"busy", TemporarilyUnavailable),
        (302, b"", ProviderContractBroken),
    ],
)
async def test_each_bad_answer_is_named(
    exchange: Exchange, status: int, body: bytes, kind: type[OstiaryError]
) -> None:
    exchange.response = (status, body, {"Location": "https://attacker.example/"} if status == 302 else {})

    with pytest.raises(kind) as caught:
        await exchange.ask()

    assert type(caught.value) is kind
    assert exchange.calls == 1
    assert "token" not in repr(caught.value).lower()


@pytest.mark.parametrize("address", ["a@b.example\r\nX-Evil: 1", "a\x00@b.example", ""])
async def test_address_that_could_break_a_header_is_not_sent(exchange: Exchange, address: str) -> None:
    exchange.mailbox = replace(exchange.mailbox, address=address)
    exchange.response = (200, item_error("ErrorItemNotFound"), {})

    with pytest.raises(NotFound):
        await exchange.ask()

    assert "X-AnchorMailbox" not in exchange.headers
    assert "X-Evil" not in exchange.headers
