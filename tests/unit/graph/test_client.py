"""The Graph client against a server that behaves badly."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace

import aiohttp
import orjson
import pytest
import pytest_asyncio
from aiohttp import web

from ostiary.adapters.graph import client as client_module
from ostiary.adapters.graph.client import GraphClient
from ostiary.adapters.graph.mail import GraphMailGateway
from ostiary.core.connections.model import MailboxAccess
from ostiary.core.kernel.cursor import wrap_cursor
from ostiary.core.kernel.errors import (
    ConsentRequired,
    InvalidRequest,
    ProviderContractBroken,
    ReauthorizationRequired,
    TemporarilyUnavailable,
)
from ostiary.core.kernel.secret import Secret

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Graph:
    """A stand-in whose one answer the test chooses, and a mailbox to read through it."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self.url = url
        self.seen: list[web.Request] = []
        self.forced: list[bool] = []
        self.answer: Answer = self._empty
        self.client = GraphClient(session, host_url=url, timeout_seconds=2)
        self.mail = GraphMailGateway(self.client)
        self.mailbox = MailboxAccess("con_1", "tid", "oid", "tom.ellis@harbourvale.example", self._token)

    async def _token(self, fresh: bool) -> Secret:
        self.forced.append(fresh)
        return Secret("fresh-token" if fresh else "old-token")

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.seen.append(request)
        return await self.answer(request)

    @staticmethod
    async def _empty(request: web.Request) -> web.StreamResponse:
        return web.json_response({"value": []})

    def says(self, body: bytes, status: int = 200, headers: dict[str, str] | None = None) -> None:
        async def answer(request: web.Request) -> web.StreamResponse:
            return web.Response(
                body=body, status=status, headers={"Content-Type": "application/json", **(headers or {})}
            )

        self.answer = answer


@pytest_asyncio.fixture
async def graph() -> AsyncIterator[Graph]:
    async with aiohttp.ClientSession() as session:
        app = web.Application()
        runner = web.AppRunner(app)
        holder: list[Graph] = []

        async def handle(request: web.Request) -> web.StreamResponse:
            return await holder[0].handle(request)

        app.router.add_route("*", "/{tail:.*}", handle)
        await runner.setup()
        server = web.TCPSite(runner, "127.0.0.1", 0)
        await server.start()
        port = runner.addresses[0][1]
        holder.append(Graph(session, f"http://127.0.0.1:{port}"))
        yield holder[0]
        await runner.cleanup()


def page(next_link: object) -> bytes:
    return orjson.dumps({"value": [], "@odata.nextLink": next_link})


@pytest.mark.parametrize(
    "link",
    [
        "https://attacker.example/v1.0/me/messages?$skip=10",
        "http://127.0.0.1:1/v1.0/me/messages",
        "https://127.0.0.1/v1.0/me/messages",
        "//attacker.example/v1.0/me",
        "/v1.0/me/messages",
        "{own}.attacker.example/v1.0/me",
        "{own}@attacker.example/v1.0/me",
        "{own}/beta/me/messages",
        "{own}/v1.0/../oauth",
        "{own}/v1.0/me\r\nX: y",
        "javascript:alert(1)",
        "",
        17,
        {"a": 1},
    ],
)
async def test_next_link_that_leads_elsewhere_is_refused_and_gets_no_byte(graph: Graph, link: object) -> None:
    graph.says(page(link.format(own=graph.url) if isinstance(link, str) and "{own}" in link else link))

    with pytest.raises(ProviderContractBroken):
        await graph.mail.list_messages(graph.mailbox, folder_id="inbox")

    assert len(graph.seen) == 1


async def test_forged_cursor_to_another_host_is_the_callers_fault_and_gets_no_byte(graph: Graph) -> None:
    graph.says(page(f"{graph.url}/v1.0/me/mailFolders/inbox/messages?$skip=1"))
    first = await graph.mail.list_messages(graph.mailbox, folder_id="inbox")
    assert first.next_cursor is not None
    asked = graph.seen[0]
    query = "\n".join(f"{name}={value}" for name, value in asked.query.items())
    binding = f"graph\ncon_1\n/me/mailFolders/inbox/messages\n{query}"
    forged = wrap_cursor({"next": "https://attacker.example/v1.0/me"}, binding=binding)
    genuine = wrap_cursor(
        {"next": f"{graph.url}/v1.0/me/mailFolders/inbox/messages?$skip=1"}, binding=binding
    )
    assert genuine == first.next_cursor  # so the forgery below fails for its host, not for its binding

    with pytest.raises(InvalidRequest):
        await graph.mail.list_messages(graph.mailbox, folder_id="inbox", cursor=forged)

    assert len(graph.seen) == 1


async def test_redirect_is_not_followed(graph: Graph) -> None:
    graph.says(b"", status=302, headers={"Location": "https://attacker.example/"})

    with pytest.raises(ProviderContractBroken):
        await graph.client.get(graph.mailbox, "/me")

    assert len(graph.seen) == 1


async def test_refused_token_is_renewed_once(graph: Graph) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        if request.headers["Authorization"] == "Bearer fresh-token":
            return web.json_response({"id": "me"})
        return web.json_response({"error": {"code": "InvalidAuthenticationToken"}}, status=401)

    graph.answer = answer

    assert await graph.client.get(graph.mailbox, "/me") == {"id": "me"}
    assert graph.forced == [False, True]


async def test_token_refused_twice_needs_the_person(graph: Graph) -> None:
    graph.says(b'{"error":{"code":"InvalidAuthenticationToken"}}', status=401)

    with pytest.raises(ReauthorizationRequired) as caught:
        await graph.client.get(graph.mailbox, "/me")

    assert graph.forced == [False, True]
    assert "token" not in str(caught.value).lower()


@pytest.mark.parametrize(
    "body", [b"", b"<html>busy</html>", b'{"value": [', b"\xff\xfe\x00", b"NaN", b"[" * 5000]
)
async def test_garbage_is_a_passing_fault(graph: Graph, body: bytes) -> None:
    graph.says(body)

    with pytest.raises(TemporarilyUnavailable):
        await graph.mail.list_messages(graph.mailbox, folder_id="inbox")


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b'"text"',
        b"{}",
        b'{"value": {}}',
        b'{"value": [7]}',
        b'{"value": [{}]}',
        b'{"value": [{"id": 5}]}',
        b'{"value": [{"id": "a", "toRecipients": "x"}]}',
        b'{"value": [{"id": "a", "receivedDateTime": "yesterday"}]}',
        b'{"value": [{"id": "a", "isRead": "yes"}]}',
    ],
)
async def test_json_of_another_shape_is_a_broken_contract(graph: Graph, body: bytes) -> None:
    graph.says(body)

    with pytest.raises(ProviderContractBroken):
        await graph.mail.list_messages(graph.mailbox, folder_id="inbox")


async def test_cut_off_answer_is_a_passing_fault(graph: Graph) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "1000"})
        await response.prepare(request)
        await response.write(b'{"value": [')
        assert request.transport is not None
        request.transport.close()
        return response

    graph.answer = answer

    with pytest.raises(TemporarilyUnavailable):
        await graph.client.get(graph.mailbox, "/me")


async def test_answer_that_grows_without_end_is_cut(graph: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "MOST_BODY_BYTES", 100_000)
    graph.says(gzip.compress(b" " * 5_000_000), headers={"Content-Encoding": "gzip"})

    with pytest.raises(ProviderContractBroken):
        await graph.client.get(graph.mailbox, "/me")


async def test_nobody_there_is_a_passing_fault(graph: Graph) -> None:
    async with aiohttp.ClientSession() as session:
        nowhere = GraphClient(session, host_url="http://127.0.0.1:9")

        with pytest.raises(TemporarilyUnavailable):
            await nowhere.get(graph.mailbox, "/me")


async def test_error_of_another_shape_is_judged_by_its_status(graph: Graph) -> None:
    graph.says(b'{"error": "no object"}', status=403)

    with pytest.raises(ConsentRequired):
        await graph.client.get(graph.mailbox, "/me")


async def test_answer_that_never_comes_is_a_passing_fault(graph: Graph) -> None:
    never = asyncio.Event()

    async def answer(request: web.Request) -> web.StreamResponse:
        await never.wait()
        return web.Response()

    graph.answer = answer
    async with aiohttp.ClientSession() as session:
        impatient = GraphClient(session, host_url=graph.url, timeout_seconds=0.2)

        with pytest.raises(TemporarilyUnavailable):
            await impatient.get(graph.mailbox, "/me")
    never.set()


async def test_no_more_than_four_calls_at_once_for_one_mailbox(graph: Graph) -> None:
    running = most = 0
    gate = asyncio.Event()

    async def answer(request: web.Request) -> web.StreamResponse:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await gate.wait()
        running -= 1
        return web.json_response({"id": "x"})

    graph.answer = answer
    other = replace(graph.mailbox, object_id="someone-else")
    calls = [asyncio.create_task(graph.client.get(graph.mailbox, "/me")) for _ in range(10)]
    while running < 4:
        await asyncio.sleep(0.01)
    calls.append(asyncio.create_task(graph.client.get(other, "/me")))
    while running < 5:
        await asyncio.sleep(0.01)
    gate.set()
    await asyncio.gather(*calls)

    # Four of the one mailbox, and the other person did not have to wait for them.
    assert most == 5
