"""The client library against the running service: its calls fit the API's description, its README is true."""

from __future__ import annotations

import asyncio
import dataclasses
import inspect
import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from jsonschema_rs import validator_for
from standardwebhooks.webhooks import Webhook

import ostiary_client
from ostiary.bootstrap import Services
from ostiary.core.access.model import API_PERMISSIONS
from ostiary.core.audit.model import SYSTEM
from ostiary.core.connections.model import Connection, ConnectionStatus
from ostiary.core.kernel.access_method import AccessMethod
from ostiary.entrypoints.api.app import openapi_document
from ostiary.entrypoints.web.app import create_app
from ostiary_client import (
    Address,
    AsyncOstiary,
    Conflict,
    ConnectionNotUsable,
    FeedCursorExpired,
    Invitee,
    NotFound,
    Ostiary,
    Repeat,
    Unauthenticated,
    VersionChanged,
    webhooks,
)
from ostiary_client.call import Answer, Call, Listing
from ostiary_client.calls.calendar import Calendars
from ostiary_client.calls.changes import Changes
from ostiary_client.calls.connections import Connections
from ostiary_client.calls.customers import ConnectSessions, Members, Organizations
from ostiary_client.calls.mail import Mail
from ostiary_client.calls.webhooks import Webhooks
from ostiary_client.operations import Noun, download, listed, operation

from .connect_world import Emulator, make_company

README = Path(__file__).parents[2] / "clients" / "python" / "README.md"
DANA = "dana.okafor@harbourvale.example"
MOMENT = datetime(2026, 12, 1, 9, 0, 0, 250, tzinfo=UTC)
NOUNS: tuple[type[Noun[Any]], ...] = (
    Organizations,
    Members,
    ConnectSessions,
    Connections,
    Mail,
    Calendars,
    Changes,
    Webhooks,
)
VALUES: dict[str, Any] = {
    "email": DANA,
    "sender": DANA,
    "recipient": DANA,
    "sent_to": DANA,
    "to": Address(DANA, "Dana Okafor"),
    "cc": [DANA],
    "bcc": [DANA],
    "reply_to": DANA,
    "attendees": [Invitee(DANA, kind="optional"), DANA],
    "people": [DANA],
    "start": MOMENT,
    "end": MOMENT,
    "since": MOMENT,
    "until": MOMENT,
    "send_at": MOMENT,
    "repeat": Repeat(pattern="weekly", days=("tuesday",), count=10),
    "content": b"one,two",
    "message_ids": ["x1", "x2"],
    "html": None,
    "types": ["message.created"],
    "states": ["dead"],
    "allowed_domains": ["harbourvale.example"],
    "categories": ["Customers"],
    "expected_tenant_id": "9c2f0b7a-51de-4a66-8f3e-1d7a40e2b918",
    "pinned_method": "graph",
    "url": "https://app.larkspur.example/hooks",
    "return_url": "https://app.larkspur.example/connected",
    "role": "member",
    "status": "connected",
    "state": "dead",
    "importance": "high",
    "flag": "flagged",
    "body": "text",
    "kind": "reply_all",
    "answer": "accept",
    "scope": "all",
    "show_as": "busy",
    "sensitivity": "private",
    "time_zone": "Europe/Berlin",
    "content_type": "text/csv",
}
BY_ANNOTATION: dict[str, Any] = {"bool": True, "int": 10}


def sample(parameter: inspect.Parameter) -> Any:
    """A value as a caller may give it."""
    if parameter.name in VALUES:
        return VALUES[parameter.name]
    if parameter.name == "start" or "Start" in str(parameter.annotation):
        return "newest"
    for word, value in BY_ANNOTATION.items():
        if word in str(parameter.annotation):
            return value
    return "x1"


def described() -> Iterator[tuple[str, Call[Any]]]:
    """Every call of the library, with every parameter given."""
    for noun in NOUNS:
        for name, member in vars(noun).items():
            if isinstance(member, operation | listed | download):
                parameters = list(inspect.signature(member.describe).parameters.values())[1:]
                given = {each.name: sample(each) for each in parameters}
                if noun is Changes:
                    given |= {"start": "newest", "cursor": None}
                call = member.describe(None, **given)
                yield f"{noun.__name__}.{name}", call.first if isinstance(call, Listing) else call


def operation_of(document: dict[str, Any], call: Call[Any]) -> dict[str, Any]:
    for path, item in document["paths"].items():
        pattern = re.sub(r"\{[a-z_]+\}", "[^/]+", path)
        if re.fullmatch(pattern, call.path) and call.method.lower() in item:
            return dict(item[call.method.lower()])
    raise AssertionError(f"the API has no {call.method} {call.path}")


def resolved(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    name = schema.get("$ref", "").rpartition("/")[2]
    return dict(document["components"]["schemas"][name]) if name else schema


def check_shape(name: str, document: dict[str, Any], schema: dict[str, Any], value: object) -> None:
    """Every field that the description promises is a field of the dataclass, at every depth."""
    schema = resolved(document, schema)
    for choice in schema.get("anyOf", []):
        if "$ref" in choice and dataclasses.is_dataclass(value):
            check_shape(name, document, choice, value)
    if isinstance(value, tuple):
        for each in value:
            check_shape(name, document, schema.get("items", {}), each)
    elif dataclasses.is_dataclass(value) and "properties" in schema:
        known = {field.name for field in dataclasses.fields(value)} - {"etag"}
        assert known == set(schema["properties"]), name
        for field, inner in schema["properties"].items():
            check_shape(f"{name}.{field}", document, inner, getattr(value, field))


def example_of(document: dict[str, Any], schema: dict[str, Any]) -> Any:
    """An answer that the description gives as an example, or one made by its rules; every list has an item."""
    schema = resolved(document, schema)
    if "examples" in schema and schema.get("type") == "object":
        return schema["examples"][0]
    if "anyOf" in schema:
        return example_of(document, schema["anyOf"][0])
    match schema.get("type"):
        case "object":
            properties = schema.get("properties", {})
            return {name: example_of(document, inner) for name, inner in properties.items()}
        case "array":
            return [example_of(document, schema["items"])]
        case "string":
            moment = {"date-time": "2026-11-24T12:00:00Z", "date": "2026-11-24"}
            return schema.get("enum", [moment.get(schema.get("format", ""), "x")])[0]
        case kind:
            return {"integer": 1, "boolean": False, "null": None}[kind or "null"]


@pytest.fixture
def document(app: Services) -> dict[str, Any]:
    return openapi_document(create_app(app))


def test_every_call_is_one_that_the_description_knows(document: dict[str, Any]) -> None:
    calls = dict(described())

    assert len(calls) > 60
    for name, call in calls.items():
        known = operation_of(document, call)
        parameters = known.get("parameters", [])
        queries = {each["name"]: each["schema"] for each in parameters if each["in"] == "query"}
        assert set(call.query) <= set(queries), name
        headers = {each["name"] for each in parameters if each["in"] == "header"}
        assert set(call.headers) <= headers, name
        if call.upload is None:
            check_body(document, name, known, call.body)
        else:
            assert "application/octet-stream" in known["requestBody"]["content"], name


def check_body(
    document: dict[str, Any], name: str, known: dict[str, Any], body: Mapping[str, Any] | None
) -> None:
    wanted = known.get("requestBody")
    if wanted is None:
        assert body is None, name
        return
    schema = {**wanted["content"]["application/json"]["schema"], "components": document["components"]}
    problems = [str(each) for each in validator_for(schema).iter_errors(dict(body or {}))]
    assert body is not None, f"{name} sends no body"
    assert not problems, f"{name}: {problems}"


def test_every_answer_is_read_with_every_field(document: dict[str, Any]) -> None:
    checked = 0
    for name, call in described():
        responses = operation_of(document, call)["responses"]
        (good,) = [code for code in responses if code.startswith("2") and code != "200"][:1] or ["200"]
        schema = responses[good].get("content", {}).get("application/json", {}).get("schema")
        if schema is None:
            continue
        content = json.dumps(example_of(document, schema)).encode()
        value = call.parse(Answer(int(good), {}, content))
        items = resolved(document, schema).get("properties", {}).get("items")
        if isinstance(value, tuple) and items is not None:
            assert value, name
            check_shape(name, document, items, value)
        elif isinstance(value, ostiary_client.Page):
            check_shape(name, document, items, value.items)
        else:
            check_shape(name, document, schema, value)
        checked += 1

    assert checked > 50


@dataclasses.dataclass
class Office:
    """Tom's connected mailbox and a key for the API."""

    url: str
    key: str = dataclasses.field(repr=False)
    connection: Connection
    app: Services = dataclasses.field(repr=False)


@pytest_asyncio.fixture
async def office(app: Services, client: httpx.AsyncClient, site: str, emulator: Emulator) -> Office:
    company = await make_company(app, client, site, emulator)
    await company.approve(AccessMethod.GRAPH)
    await company.confirm(await company.go())
    (connection,) = [
        each for each in await company.connections() if each.status is ConnectionStatus.CONNECTED
    ]
    _, key = await app.access.create_api_key(name="App", permissions=API_PERMISSIONS, actor=SYSTEM)
    return Office(site, key.reveal(), connection, app)


@pytest_asyncio.fixture
async def product(office: Office) -> Any:
    async with AsyncOstiary(office.url, office.key) as opened:
        yield opened


async def test_a_mail_with_a_large_file_is_written_attached_sent_and_read(
    office: Office, product: AsyncOstiary
) -> None:
    own, content = office.connection.id, bytes(range(256)) * 4096 * 4

    async def pieces() -> Any:
        for start in range(0, len(content), 100_000):
            yield content[start : start + 100_000]

    draft = await product.mail.create_draft(own, to=DANA, subject="Figures", text="As promised.")
    attached = await product.mail.attach(own, draft.id, "f.bin", pieces(), size_bytes=len(content))
    sent = await product.mail.send_draft(own, draft.id)
    found = [each async for each in product.mail.messages(own, folder="sent", subject="Figures")]

    assert sent.delivery == "sent"
    assert [each.subject for each in found] == ["Figures"]
    (file,) = (await product.mail.get(own, found[0].id)).attachments
    async with product.mail.open_attachment(own, found[0].id, file.id) as download:
        assert await download.read() == content
    assert attached.name == file.name == "f.bin"


async def test_the_same_key_sends_once(office: Office, product: AsyncOstiary) -> None:
    own = office.connection.id

    first = await product.mail.send(own, to=DANA, subject="Once", text="x", idempotency_key="k1")
    again = await product.mail.send(own, to=DANA, subject="Once", text="x", idempotency_key="k1")

    assert first == again
    assert len([each async for each in product.mail.messages(own, folder="sent", subject="Once")]) == 1


async def test_a_change_goes_through_only_while_nothing_else_changed(
    office: Office, product: AsyncOstiary
) -> None:
    own = office.connection.id
    first = await anext(aiter(product.mail.messages(own)))
    message = await product.mail.get(own, first.id)
    start = datetime(2026, 12, 1, 9, 0, tzinfo=UTC)
    event = await product.calendar.create(own, "Focus", start, start.replace(hour=10))

    changed = await product.mail.update(own, message.id, flag="flagged", if_match=message.etag)
    with pytest.raises(VersionChanged):
        await product.mail.update(own, message.id, flag="none", if_match=message.etag)
    moved = await product.calendar.update(own, event.id, location="Room 2", if_match=event.etag)
    with pytest.raises(VersionChanged):
        await product.calendar.delete(own, event.id, if_match=event.etag)
    await product.calendar.delete(own, event.id, if_match=moved.etag)

    assert (changed.flag, moved.location) == ("flagged", "Room 2")
    assert message.etag != changed.etag
    left = [each.subject async for each in product.calendar.events(own, start, start.replace(hour=10))]
    assert "Focus" not in left


async def test_pages_are_fetched_until_the_last(office: Office, product: AsyncOstiary) -> None:
    own = office.connection.id

    pages = [page async for page in product.mail.messages(own, limit=7).pages()]
    ids = [each.id for page in pages for each in page.items]

    assert len(pages) > 2
    assert len(ids) == len(set(ids))
    assert (pages[0].next_cursor is None, pages[-1].next_cursor) == (False, None)
    rest = product.mail.messages(own, limit=7, cursor=pages[0].next_cursor)
    assert [each.id async for each in rest] == ids[7:]


async def test_failures_are_named_for_what_comes_next(office: Office, product: AsyncOstiary) -> None:
    own = office.connection.id
    async with AsyncOstiary(office.url, "ost_none") as stranger:
        with pytest.raises(Unauthenticated):
            await stranger.connections.get(own)
    with pytest.raises(NotFound) as missing:
        await product.connections.get("con_none")
    with pytest.raises(ostiary_client.InvalidRequest) as wrong:
        await product.mail.send(own, to="nobody", subject="x", text="x")
    await product.connections.pause(own)
    with pytest.raises(ConnectionNotUsable):
        await anext(aiter(product.mail.messages(own)))

    assert missing.value.request_id
    assert [each.field for each in wrong.value.fields] == ["to.0.address"]


async def test_the_feed_is_followed_and_survives_an_expired_cursor(
    office: Office, product: AsyncOstiary, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = office.connection.id
    feed = product.changes.follow(own, wait_seconds=0)
    seen = [change async for change in feed]
    waiting = asyncio.create_task(anext(aiter(product.changes.follow(own, cursor=feed.cursor))))
    await product.connections.pause(own)
    paused = await waiting

    assert "connection.connected" in [each.type for each in seen]
    assert (paused.type, paused.sequence) == ("connection.paused", seen[-1].sequence + 1)

    async def expired(*_: Any, **__: Any) -> Any:
        from ostiary.core.feed.errors import FeedCursorExpired as Expired

        raise Expired("What follows is gone.")

    with monkeypatch.context() as patch:
        patch.setattr(type(office.app.feed), "wait", expired)
        with pytest.raises(FeedCursorExpired):
            await anext(aiter(feed))
    await feed.skip_to_newest()
    assert [change async for change in feed] == []


async def test_both_clients_say_the_same(office: Office, product: AsyncOstiary) -> None:
    own = office.connection.id

    def blocking() -> list[str]:
        with Ostiary(office.url, office.key) as client:
            feed = list(client.changes.follow(own, wait_seconds=0))
            return [each.id for each in client.mail.messages(own)] + [each.id for each in feed]

    expected = [each.id async for each in product.mail.messages(own)]
    expected += [each.id async for each in product.changes.follow(own, wait_seconds=0)]
    assert await asyncio.to_thread(blocking) == expected


async def test_an_endpoint_that_is_not_proven_says_why(product: AsyncOstiary) -> None:
    issued = await product.webhooks.add("https://app.larkspur.example/hooks")

    with pytest.raises(Conflict) as refused:
        await product.webhooks.verify(issued.endpoint.id)

    assert refused.value.code == "endpoint_not_proven"
    assert issued.secret.startswith("whsec_")
    assert issued.secret not in repr(issued)
    await product.webhooks.delete(issued.endpoint.id)
    assert await product.webhooks.list() == ()


async def test_examples_of_the_readme_run(
    office: Office, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    monkeypatch.setenv("OSTIARY_URL", office.url)
    monkeypatch.setenv("OSTIARY_API_KEY", office.key)
    monkeypatch.setenv("WEBHOOK_SECRET", secret)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "figures.csv").write_bytes(b"quarter,sum\n4,1000\n")
    blocks = re.findall(r"^```python\n(.*?)^```$", README.read_text(), re.M | re.S)
    names: dict[str, Any] = {}

    def run() -> None:
        for number, block in enumerate(blocks):
            exec(compile(block, f"README.md, example {number + 1}", "exec"), names)
        names["client"].close()

    await asyncio.to_thread(run)

    assert len(blocks) == 9
    assert (tmp_path / "copy.csv").read_bytes() == b"quarter,sum\n4,1000\n"
    assert names["meeting"].recurrence.count == 10
    assert capsys.readouterr().out.count("Weekly planning") == 2
    assert names["cursor"]
    body = json.dumps(
        {
            "id": "evt_1",
            "type": "webhook.verify",
            "timestamp": "2026-11-24T12:00:00Z",
            "data": {"challenge": "c1"},
        }
    )
    now = datetime.now(UTC)
    headers = {
        "webhook-id": "evt_1",
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(secret).sign("evt_1", now, body),
    }
    assert names["receive"](headers, body.encode()) == (200, b'{"challenge": "c1"}')
    assert names["receive"](headers, b"forged") == (400, b"")
    assert webhooks.verify(secret, headers, body.encode()).is_challenge
