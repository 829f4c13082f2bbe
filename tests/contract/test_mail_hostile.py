"""What a hostile or broken answer does to mail: nothing but a named error, within its caps (SR-45, SR-90, SR-91)."""

from __future__ import annotations

import asyncio
import re
import time
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from ostiary.adapters.ews.errors import AnswerTooLarge
from ostiary.adapters.ews.mail import EWSMailGateway
from ostiary.adapters.ews.session import EWSSession
from ostiary.adapters.graph.client import GraphClient
from ostiary.adapters.graph.mail import GraphMailGateway
from ostiary.adapters.http_session import create_session
from ostiary.core.connections.model import MailboxAccess
from ostiary.core.kernel.errors import (
    NotFound,
    OstiaryError,
    ProviderContractBroken,
    TemporarilyUnavailable,
    Throttled,
)
from ostiary.core.kernel.secret import Secret
from ostiary.core.mail.attachments import NewAttachment
from ostiary.core.mail.errors import BatchFull
from ostiary.core.mail.filters import MessageFilter
from ostiary.core.mail.model import Message

from .colleagues import pieces, read

TOKEN = "a-token-that-must-not-leave"
MEGABYTE = 1024 * 1024
Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


async def _token(refused: bool) -> Secret:
    return Secret(TOKEN)


ACCESS = MailboxAccess("con_1", "tid", "oid", "tom.ellis@harbourvale.example", _token)


@asynccontextmanager
async def serving(answer: Answer) -> AsyncIterator[tuple[str, list[web.Request]]]:
    """Run a server that answers everything in one way; gives its address and what it was asked."""
    asked: list[web.Request] = []

    async def handle(request: web.Request) -> web.StreamResponse:
        asked.append(request)
        return await answer(request)

    app = web.Application(client_max_size=64 * MEGABYTE)
    app.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}", asked
    finally:
        await runner.cleanup()


@asynccontextmanager
async def graph_at(url: str) -> AsyncIterator[GraphMailGateway]:
    async with create_session(user_agent="ostiary/test") as session:
        yield GraphMailGateway(GraphClient(session, host_url=url))


@asynccontextmanager
async def ews_at(url: str) -> AsyncIterator[EWSMailGateway]:
    async with create_session(user_agent="ostiary/test") as session:
        yield EWSMailGateway(EWSSession(session, endpoint_url=f"{url}/EWS/Exchange.asmx"))


def json_answer(body: dict[str, Any], status: int = 200) -> Answer:
    async def answer(request: web.Request) -> web.StreamResponse:
        return web.json_response(body, status=status)

    return answer


def xml_answer(text: str) -> Answer:
    async def answer(request: web.Request) -> web.StreamResponse:
        return web.Response(text=text, content_type="text/xml")

    return answer


def soap(inside: str) -> str:
    return (
        '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" '
        'xmlns:m="http://schemas.microsoft.com/exchange/services/2006/messages" '
        f'xmlns:t="http://schemas.microsoft.com/exchange/services/2006/types"><s:Body>{inside}</s:Body></s:Envelope>'
    )


def attachment(content: str) -> str:
    return soap(
        '<m:GetAttachmentResponse><m:ResponseMessages><m:GetAttachmentResponseMessage ResponseClass="Success">'
        "<m:ResponseCode>NoError</m:ResponseCode><m:Attachments><t:FileAttachment>"
        f"<t:Content>{content}</t:Content></t:FileAttachment></m:Attachments>"
        "</m:GetAttachmentResponseMessage></m:ResponseMessages></m:GetAttachmentResponse>"
    )


# -- links that lead elsewhere -----------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [3 * MEGABYTE])
async def test_upload_address_of_another_host_gets_not_a_byte(size: int) -> None:
    async with serving(json_answer({})) as (elsewhere, stolen):
        session = {"uploadUrl": f"{elsewhere}/steal?authtoken=x", "nextExpectedRanges": ["0-"]}
        async with serving(json_answer(session, 201)) as (url, asked), graph_at(url) as mail:
            file = NewAttachment("a.bin", "application/octet-stream", size)
            with pytest.raises(ProviderContractBroken):
                await mail.add_attachment(ACCESS, "AAk", file, pieces(bytes(size)))
            assert [each.method for each in asked] == ["POST"]
        assert stolen == []


@pytest.mark.parametrize(
    "link",
    [
        "https://graph.microsoft.com.evil.example/upload",
        "https://evil.example/upload",
        "http://user@127.0.0.1/upload",
        "//evil.example/upload",
        "file:///etc/passwd",
        "https://outlook.office.com:8443/upload",
        "http://outlook.office.com/upload",
        "https://outlook.office.com/a/../upload",
        "https://outlook.office.com/\r\nX: y",
    ],
)
async def test_upload_addresses_obey_the_list_of_hosts(link: str) -> None:
    async with create_session(user_agent="ostiary/test") as session:
        client = GraphClient(
            session, host_url="https://graph.microsoft.com", upload_urls=("https://outlook.office.com",)
        )
        assert not client.is_upload_link(link)
        assert client.is_upload_link("https://outlook.office.com/api/gv1.0/users('x')/upload?authtoken=y")


async def test_upload_carries_no_token_to_the_right_host_either() -> None:
    seen: list[dict[str, str]] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        seen.append(dict(request.headers))
        await request.read()
        if request.method == "POST":
            base = f"http://{request.host}"
            return web.json_response({"uploadUrl": f"{base}/up?authtoken=x"}, status=201)
        return web.Response(status=201, headers={"Location": "https://x/messages('m')/attachments('AAkB')"})

    async with serving(answer) as (url, _), graph_at(url) as mail:
        file = NewAttachment("a.bin", "application/octet-stream", 3 * MEGABYTE)
        added = await mail.add_attachment(ACCESS, "AAk", file, pieces(bytes(3 * MEGABYTE)))

    assert added.id == "AAkB"
    assert [("Authorization" in each) for each in seen] == [True, False]


async def test_next_link_of_a_search_that_leads_elsewhere_is_not_followed() -> None:
    async with serving(json_answer({"value": []})) as (elsewhere, stolen):
        page = {"value": [], "@odata.nextLink": f"{elsewhere}/v1.0/me/messages?$skip=1"}
        async with serving(json_answer(page)) as (url, _), graph_at(url) as mail:
            with pytest.raises(ProviderContractBroken):
                await mail.list_messages(ACCESS, folder_id="inbox", where=MessageFilter(words="a"))
        assert stolen == []


async def test_redirect_of_a_download_is_not_followed() -> None:
    async with serving(json_answer({})) as (elsewhere, stolen):

        async def redirect(request: web.Request) -> web.StreamResponse:
            return web.Response(status=302, headers={"Location": f"{elsewhere}/steal"})

        async with serving(redirect) as (url, _):
            for make in (graph_at, ews_at):
                async with make(url) as mail:
                    with pytest.raises(OstiaryError):
                        async with mail.open_attachment(ACCESS, "AAk", "AAkB") as stream:
                            await read(stream)
        assert stolen == []


# -- XML -----------------------------------------------------------------------------------------------------------

BOMB = (
    "<!DOCTYPE x [<!ENTITY a 'aaaaaaaaaa'>"
    + "".join(f"<!ENTITY {chr(98 + n)} '{f'&{chr(97 + n)};' * 10}'>" for n in range(9))
    + "]>"
)
XXE = "<!DOCTYPE x [<!ENTITY a SYSTEM 'file:///etc/passwd'>]>"
EXTERNAL = "<!DOCTYPE x SYSTEM 'http://127.0.0.1:9/x.dtd'>"


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (BOMB + attachment("&j;"), ProviderContractBroken),
        (XXE + attachment("&a;"), ProviderContractBroken),
        (EXTERNAL + attachment("AAAA"), ProviderContractBroken),
        (attachment("&a;"), TemporarilyUnavailable),
        (attachment("not base64!"), ProviderContractBroken),
        (attachment("AAAA")[:-60], TemporarilyUnavailable),
        ("<html><body>Gateway time-out</body></html>", TemporarilyUnavailable),
        ("", TemporarilyUnavailable),
        (soap("<m:GetAttachmentResponse/>"), ProviderContractBroken),
        (soap("<a>" * 200 + "</a>" * 200), ProviderContractBroken),
    ],
    ids=["bomb", "xxe", "external", "undeclared", "base64", "cut", "html", "empty", "nothing", "deep"],
)
async def test_hostile_xml_ends_a_download_with_a_name(answer: str, kind: type[OstiaryError]) -> None:
    async with serving(xml_answer(answer)) as (url, _), ews_at(url) as mail:
        began = time.process_time()
        with pytest.raises(kind):
            async with mail.open_attachment(ACCESS, "AAk", "AAkB") as stream:
                await read(stream)
        assert time.process_time() - began < 2


async def test_hostile_xml_ends_a_change_with_a_name() -> None:
    answer = xml_answer(BOMB + soap("<m:MoveItemResponse>&j;</m:MoveItemResponse>"))
    async with serving(answer) as (url, _), ews_at(url) as mail:
        with pytest.raises(ProviderContractBroken):
            await mail.move(ACCESS, "AAk", "archive")


# -- bodies without end --------------------------------------------------------------------------------------------


def endless(head: bytes, content_type: str) -> Answer:
    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": content_type})
        await response.prepare(request)
        await response.write(head)
        block = b"A" * MEGABYTE
        for _ in range(400):
            try:
                await response.write(block)
            except (ConnectionError, aiohttp.ClientConnectionError):
                break
            await asyncio.sleep(0)
        return response

    return answer


@pytest.mark.parametrize("what", ["json", "soap", "graph file", "ews file"])
async def test_body_without_end_is_given_up_within_its_cap(what: str) -> None:
    file_head = attachment("@").split("@")[0].encode()
    heads = {
        "json": (b'{"value":"', "application/json"),
        "soap": (b"<a>", "text/xml"),
        "graph file": (b"", "application/octet-stream"),
        "ews file": (file_head, "text/xml"),
    }
    make: Any = ews_at if what in ("soap", "ews file") else graph_at

    async def take(mail: Any) -> None:
        if not what.endswith("file"):
            await mail.get_message(ACCESS, "AAk")
            return
        async with mail.open_attachment(ACCESS, "AAk", "AAkB") as stream:
            async for _ in stream.chunks:
                pass

    async with serving(endless(*heads[what])) as (url, _), make(url) as mail:
        tracemalloc.start()
        try:
            with pytest.raises(OstiaryError):
                await take(mail)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert peak < 90 * MEGABYTE, f"{peak / MEGABYTE:.0f} MB"


# -- faults of the emulator ----------------------------------------------------------------------------------------


@pytest.fixture
def fault(emulator_process: Any, filled_emulator: Any) -> Any:
    """Adds a rule; all are taken away again."""
    yield lambda **rule: emulator_process.control("POST", "/faults", rule)
    emulator_process.control("DELETE", "/faults")


@pytest.mark.parametrize("mailbox", ["graph", "ews"], indirect=True)
@pytest.mark.parametrize(
    "rule",
    [
        {"garbage": True},
        {"truncate_after_bytes": 30},
        {"reset": True},
        {"status": 503},
        {"status": 500, "body": "<html>no</html>"},
        {"status": 200, "body": '{"value": [[[['},
        {"status": 200, "body": BOMB + "<x>&j;</x>", "headers": {"content-type": "text/xml"}},
    ],
    ids=["garbage", "cut", "reset", "503", "500", "half json", "bomb"],
)
async def test_fault_on_the_way_is_a_named_error_and_passes(
    mailbox: Any, fault: Any, rule: dict[str, Any]
) -> None:
    route = "*/v1.0/me/*" if mailbox.method == "graph" else "*/EWS/*"
    page = await mailbox.mail.list_messages(mailbox.access, folder_id="inbox", limit=1)
    message = await mailbox.mail.get_message(mailbox.access, page.items[0].id)
    fault(route=route, **rule)

    async def download() -> None:
        async with mailbox.mail.open_attachment(
            mailbox.access, message.id, message.attachments[0].id
        ) as stream:
            await read(stream)

    calls: list[Callable[[], Awaitable[Any]]] = [
        lambda: mailbox.mail.list_messages(mailbox.access, folder_id=None, limit=1),
        lambda: mailbox.mail.list_thread(mailbox.access, message.id),
        lambda: mailbox.mail.move(mailbox.access, message.id, "inbox"),
        lambda: mailbox.mail.find_stamped(mailbox.access, "stamp"),
    ]
    if rule not in ({"garbage": True},) and rule.get("status") != 200 and "truncate_after_bytes" not in rule:
        calls.append(download)  # Of bytes nobody can say that they are garbage.
    for call in calls:
        with pytest.raises(OstiaryError) as failed:
            await call()
        assert isinstance(failed.value, (TemporarilyUnavailable, ProviderContractBroken)), failed.value


# -- many messages at once -----------------------------------------------------------------------------------------


def got(*messages: str) -> str:
    return soap(
        f"<m:GetItemResponse><m:ResponseMessages>{''.join(messages)}</m:ResponseMessages></m:GetItemResponse>"
    )


def item(item_id: str) -> str:
    return (
        '<m:GetItemResponseMessage ResponseClass="Success"><m:ResponseCode>NoError</m:ResponseCode><m:Items>'
        f'<t:Message><t:ItemId Id="{item_id}"/><t:Body BodyType="Text">Hello</t:Body></t:Message></m:Items>'
        "</m:GetItemResponseMessage>"
    )


def refusal(code: str) -> str:
    return (
        f'<m:GetItemResponseMessage ResponseClass="Error"><m:ResponseCode>{code}</m:ResponseCode><m:Items/>'
        "</m:GetItemResponseMessage>"
    )


def asked_ids(body: str) -> list[str]:
    return re.findall(r'<t:ItemId Id="([^"]+)"/>', body)


@pytest.fixture
def small_answers(monkeypatch: pytest.MonkeyPatch) -> int:
    """Answers above 4 kB are too large."""
    monkeypatch.setattr("ostiary.adapters.ews.session.MOST_ANSWER_BYTES", 4096)
    return 4096


async def test_answer_too_large_is_asked_again_in_halves_until_it_fits(small_answers: int) -> None:
    asked: list[int] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        ids = asked_ids(await request.text())
        asked.append(len(ids))
        return web.Response(
            text=got(*(item(each) + "<!--" + "x" * 1200 + "-->" for each in ids)), content_type="text/xml"
        )

    async with serving(answer) as (url, _), ews_at(url) as mail:
        outcomes = await mail.get_messages(ACCESS, ["AAa", "AAb", "AAc", "AAd"])

    assert [getattr(each, "id", None) for each in outcomes] == ["AAa", "AAb", "AAc", "AAd"]
    assert asked == [4, 2, 2]


async def test_answers_that_never_fit_are_given_up_after_a_few(small_answers: int) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        return web.Response(text="<a>" + "x" * 2 * small_answers, content_type="text/xml")

    async with serving(answer) as (url, asked), ews_at(url) as mail:
        outcomes = await mail.get_messages(ACCESS, [f"AA{number:02}" for number in range(50)])

    assert {type(each) for each in outcomes} <= {BatchFull, AnswerTooLarge}
    assert len(asked) < 12


@pytest.mark.parametrize(
    "answer",
    [got(item("AAa")), got(item("AAa"), item("AAb"), item("AAc")), got(), soap("<m:FindItemResponse/>")],
    ids=["too few", "too many", "none", "another question"],
)
async def test_answers_that_fit_no_id_are_taken_for_none(answer: str) -> None:
    async with serving(xml_answer(answer)) as (url, _), ews_at(url) as mail:
        outcomes = await mail.get_messages(ACCESS, ["AAa", "AAb"])

    assert [type(each) for each in outcomes] == [ProviderContractBroken] * 2


async def test_one_message_that_is_not_understood_spoils_no_other() -> None:
    nonsense = item("AAb").replace("<t:Message>", "<t:Message><t:DateTimeSent>soon</t:DateTimeSent>")
    parts = got(item("AAa"), nonsense, refusal("ErrorItemNotFound"), item("AAd"))
    async with serving(xml_answer(parts)) as (url, _), ews_at(url) as mail:
        outcomes = await mail.get_messages(ACCESS, ["AAa", "AAb", "AAc", "AAd"])

    kinds = [type(each) for each in outcomes]
    assert kinds == [Message, ProviderContractBroken, NotFound, Message]


async def test_exchange_that_stops_on_the_way_leaves_what_it_gave() -> None:
    parts = got(item("AAa"), refusal("ErrorServerBusy"), refusal("ErrorBatchProcessingStopped"))
    async with serving(xml_answer(parts)) as (url, _), ews_at(url) as mail:
        outcomes = await mail.get_messages(ACCESS, ["AAa", "AAb", "AAc"])

    assert [type(each) for each in outcomes] == [Message, Throttled, Throttled]


async def test_graph_that_slows_down_on_the_way_is_asked_no_more() -> None:
    count = 0

    async def answer(request: web.Request) -> web.StreamResponse:
        nonlocal count
        count += 1
        if count > 6:
            return web.json_response(
                {"error": {"code": "TooManyRequests"}}, status=429, headers={"Retry-After": "17"}
            )
        return web.json_response({"id": request.path.rpartition("/")[2]})

    async with serving(answer) as (url, asked), graph_at(url) as mail:
        outcomes = await mail.get_messages(ACCESS, [f"AA{number:02}" for number in range(50)])

    assert sum(isinstance(each, Message) for each in outcomes) == 6
    refused = [each for each in outcomes if isinstance(each, Throttled)]
    assert (len(refused), {each.retry_after_seconds for each in refused}) == (44, {17.0})
    assert len(asked) <= 6 + 4
