"""The HTTP API: who may call, what it takes, what it answers, how it fails."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
import pytest_asyncio
import structlog
from fastapi import Request, Response
from pydantic import BaseModel

from ostiary.adapters.memory.calendar import MemoryCalendarGateway
from ostiary.adapters.memory.mail import MemoryMailGateway
from ostiary.adapters.sql.idempotency import SQLIdempotencyStore
from ostiary.bootstrap import Services, application
from ostiary.core.access.bulk_reads import CeilingAction, Ceilings
from ostiary.core.access.model import API_PERMISSIONS, Permission, Principal, Role
from ostiary.core.approvals.model import ApprovalRequest, ApprovalRequestState
from ostiary.core.audit.model import SYSTEM
from ostiary.core.calendar.model import Calendar
from ostiary.core.calendar.service import CalendarService
from ostiary.core.connections.mailboxes import Mailboxes
from ostiary.core.connections.model import Connection, ConnectionStatus, MailboxAccess
from ostiary.core.kernel.access_method import AccessMethod
from ostiary.core.kernel.errors import Conflict, NotFound, TemporarilyUnavailable, Throttled
from ostiary.core.kernel.mail_address import MailAddress
from ostiary.core.kernel.reach import Duty, confined, declared, instance_wide
from ostiary.core.kernel.secret import Secret
from ostiary.core.mail.model import Importance, MailFolder, Message, WellKnownFolder
from ostiary.core.mail.service import MailService
from ostiary.core.organizations.model import Organization
from ostiary.entrypoints.api.idempotency import Outcome, OutcomeUnknown, StillRunning, once_elsewhere
from ostiary.entrypoints.web.app import create_app

PROBLEM_FIELDS = {"type", "title", "status", "detail", "code", "request_id"}
WINDOW = {"from": "2026-11-23T00:00:00Z", "to": "2026-11-30T00:00:00Z"}


class KnownMailbox:
    """Gives access to the mailbox in memory, without Microsoft."""

    async def access(self, connection: Connection) -> MailboxAccess:
        async def access_token(refused: bool) -> Secret:
            return Secret("none")

        return MailboxAccess(
            connection.id, connection.tenant_id, connection.object_id, connection.address, access_token
        )


@dataclass
class API:
    """The API with an all-powerful key."""

    services: Services
    client: httpx.AsyncClient
    mail: MemoryMailGateway

    async def organization(self, external_id: str = "hv", **fields: Any) -> dict[str, Any]:
        body = {"external_id": external_id, "name": "Harbour & Vale", **fields}
        answer = await self.client.post("/v1/organizations", json=body)
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    async def member(self, organization_id: str, external_id: str = "u-1") -> dict[str, Any]:
        answer = await self.client.post(
            f"/v1/organizations/{organization_id}/members",
            json={
                "external_id": external_id,
                "email": "tom.ellis@harbourvale.example",
                "display_name": "Tom Ellis",
            },
        )
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    async def connection(self, **fields: Any) -> str:
        organization = await self.organization()
        member = await self.member(organization["id"])
        now = self.services.clock.now()
        connection = replace(
            Connection(
                id="con_1",
                organization_id=organization["id"],
                member_id=member["id"],
                cloud="global",
                tenant_id="9c2f0b7a-51de-4a66-8f3e-1d7a40e2b918",
                object_id="2f8e6b94-7c1a-4d25-8a6f-93b0d5e17c02",
                method=AccessMethod.GRAPH,
                registration_id="main",
                mail=True,
                calendar=True,
                status=ConnectionStatus.CONNECTED,
                reference="CO-9D1M-7VHE",
                address="tom.ellis@harbourvale.example",
                display_name="Tom Ellis",
                created_at=now,
                changed_at=now,
            ),
            **fields,
        )
        async with self.services.transactions() as tx:
            await tx.connections.add(connection)
        return connection.id


def message(number: int) -> Message:
    at = datetime(2026, 11, 24, 9, number, tzinfo=UTC)
    return Message(
        id=f"m{number}",
        folder_id="f-inbox",
        conversation_id=None,
        internet_message_id=None,
        subject=f"Note {number}",
        sender=MailAddress("dana.okafor@harbourvale.example", "Dana Okafor"),
        to=(),
        received_at=at,
        sent_at=at,
        is_read=number % 2 == 0,
        is_draft=False,
        has_attachments=False,
        importance=Importance.NORMAL,
        categories=(),
        preview="",
        version=f'v{number} "ä"',
        text="Hello",
        headers={"Received": ("a", "b")},
    )


@pytest_asyncio.fixture
async def api(settings: Any, clock: Any) -> AsyncIterator[API]:
    async with application(settings, clock=clock) as services:
        mail, calendar = MemoryMailGateway(), MemoryCalendarGateway()
        owner = "2f8e6b94-7c1a-4d25-8a6f-93b0d5e17c02"
        inbox = MailFolder("f-inbox", "Inbox", None, WellKnownFolder.INBOX, 0, 0, 0)
        mail.add_mailbox(owner, [inbox], [message(number) for number in range(5)])
        calendar.add_mailbox(owner, [Calendar("c-1", "Calendar", True, True)], [])
        mailboxes = Mailboxes(transactions=services.transactions, source=KnownMailbox())
        services = replace(
            services,
            mail=MailService(mailboxes=mailboxes, gateways=dict.fromkeys(AccessMethod, mail)),
            calendar=CalendarService(
                mailboxes=mailboxes,
                gateways=dict.fromkeys(AccessMethod, calendar),
                entropy=services.entropy,
            ),
        )
        _, key = await services.access.create_api_key(name="All", permissions=API_PERMISSIONS, actor=SYSTEM)
        transport = httpx.ASGITransport(app=create_app(services))
        headers = {"Authorization": f"Bearer {key.reveal()}"}
        async with httpx.AsyncClient(
            transport=transport, base_url="http://localhost:8080", headers=headers
        ) as client:
            yield API(services, client, mail)


def assert_problem(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert set(problem) >= PROBLEM_FIELDS
    assert set(problem) <= PROBLEM_FIELDS | {"reason", "ref", "errors"}
    assert (problem["status"], problem["code"]) == (status, code)
    assert problem["request_id"] == answer.headers["x-request-id"]
    return dict(problem)


# -- who may call ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer ost_wrong", "Basic dG9tOmVsbGlz"])
async def test_call_without_a_good_key_is_refused_alike(api: API, header: str | None) -> None:
    headers = {} if header is None else {"Authorization": header}
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=create_app(api.services)), base_url="http://localhost:8080"
    ) as stranger:
        for path in ("/v1/organizations", "/v1/connections/con_1/messages", "/v1/audit"):
            answer = await stranger.get(path, headers=headers)

            assert_problem(answer, 401, "unauthenticated")
            assert answer.headers["www-authenticate"] == "Bearer"


async def test_key_does_only_what_it_may(api: API) -> None:
    _, key = await api.services.access.create_api_key(
        name="Reads", permissions=[Permission.API_READ], actor=SYSTEM
    )
    headers = {"Authorization": f"Bearer {key.reveal()}"}

    assert (await api.client.get("/v1/organizations", headers=headers)).status_code == 200
    made = await api.client.post("/v1/organizations", json={"external_id": "x", "name": "X"}, headers=headers)
    assert_problem(made, 403, "permission_denied")
    read = await api.client.get("/v1/connections/con_1/messages", headers=headers)
    assert_problem(read, 403, "permission_denied")
    assert (await api.client.get("/v1/organizations")).json()["items"] == []


async def test_every_call_asks_for_its_permission(api: API) -> None:
    web = create_app(api.services)
    table = {place: needed for place, needed in web.state.permissions.items() if place[1].startswith("/v1/")}
    assert len(table) > 20
    keys = {}
    for permission in API_PERMISSIONS:
        others = API_PERMISSIONS - {permission}
        _, key = await api.services.access.create_api_key(name="x", permissions=others, actor=SYSTEM)
        keys[permission] = {"Authorization": f"Bearer {key.reveal()}"}
    transport = httpx.ASGITransport(app=web)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8080") as caller:
        for (method, path), permission in table.items():
            if permission is Permission.PUBLIC:
                assert path == "/v1/openapi.json"
                continue
            address = re.sub(r"\{\w+\}", "some_id", path)
            nobody = await caller.request(method, address)
            wrong = await caller.request(method, address, headers=keys[permission])

            assert nobody.status_code == 401, (method, path)
            assert wrong.status_code == 403, (method, path, wrong.text)


# -- customers and people --------------------------------------------------------------------------------------


async def test_customer_is_added_read_listed_and_in_the_trail(api: API) -> None:
    made = await api.organization(seat_count=3, allowed_domains=["Harbourvale.example"])

    read = await api.client.get(f"/v1/organizations/{made['id']}")
    listed = await api.client.get("/v1/organizations", params={"search": "harbour"})
    trail = await api.client.get("/v1/audit", params={"organization": made["id"]})

    assert read.json() == made == listed.json()["items"][0]
    assert made["allowed_domains"] == ["harbourvale.example"]
    assert made["created_at"] == "2026-11-24T12:00:00Z"
    (record,) = trail.json()["items"]
    assert (record["what"], record["actor"]["kind"]) == ("organization.created", "api_key")


async def test_same_customer_twice_is_the_same_and_another_name_conflicts(api: API) -> None:
    made = await api.organization()

    again = await api.client.post("/v1/organizations", json={"external_id": "hv", "name": "Harbour & Vale"})
    other = await api.client.post("/v1/organizations", json={"external_id": "hv", "name": "Somebody"})

    assert (again.status_code, again.json()["id"]) == (200, made["id"])
    assert_problem(other, 409, "conflict")


async def test_licence_is_given_and_taken(api: API) -> None:
    organization = await api.organization(seat_count=1)
    path = f"/v1/organizations/{organization['id']}/members"
    first = await api.member(organization["id"], "a")
    second = await api.member(organization["id"], "b")

    given = await api.client.put(f"{path}/{first['id']}/licence", json={"licensed": True})
    too_many = await api.client.put(f"{path}/{second['id']}/licence", json={"licensed": True})
    holders = await api.client.get(path, params={"licensed": "true"})
    taken = await api.client.put(f"{path}/{first['id']}/licence", json={"licensed": False})

    assert given.json()["licensed"] is True
    assert_problem(too_many, 409, "conflict")
    assert [member["id"] for member in holders.json()["items"]] == [first["id"]]
    assert taken.json()["licensed"] is False


async def test_people_of_one_customer_are_not_found_under_another(api: API) -> None:
    one, other = await api.organization("one"), await api.organization("other")
    member = await api.member(one["id"])

    foreign = await api.client.get(f"/v1/organizations/{other['id']}/members/{member['id']}")
    missing = await api.client.get(f"/v1/organizations/{other['id']}/members/mem_none")

    first = assert_problem(foreign, 404, "not_found")
    second = assert_problem(missing, 404, "not_found")
    assert {**first, "request_id": ""} == {**second, "request_id": ""}


async def test_lists_of_an_unknown_customer_are_not_found(api: API) -> None:
    for name in ("members", "tenants", "consents", "admin-consent-links", "approval-requests"):
        assert_problem(await api.client.get(f"/v1/organizations/org_none/{name}"), 404, "not_found")


async def test_pages_of_a_list_lose_and_repeat_nothing(api: API) -> None:
    names = {f"c{number}" for number in range(5)}
    for name in names:
        await api.organization(name)
    seen: list[str] = []
    cursor: str | None = None
    while True:
        params = {"limit": "2", **({"cursor": cursor} if cursor else {})}
        page = (await api.client.get("/v1/organizations", params=params)).json()
        seen += [item["external_id"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break

    assert sorted(seen) == sorted(names)


async def test_approval_link_shows_its_address_once_and_can_be_withdrawn(api: API) -> None:
    organization = await api.organization()
    path = f"/v1/organizations/{organization['id']}/admin-consent-links"

    made = await api.client.post(path, json={"asked_by_name": "Dana Okafor"})
    listed = await api.client.get(path)
    withdrawn = await api.client.delete(f"{path}/{made.json()['id']}")

    assert made.status_code == 201
    assert made.headers["cache-control"] == "no-store"
    assert made.json()["url"].startswith("http://localhost:8080/admin-consent/l/")
    assert "url" not in listed.json()["items"][0]
    assert listed.json()["items"][0]["expires_at"] == "2026-11-27T12:00:00Z"
    assert withdrawn.status_code == 204
    assert (await api.client.get(path)).json()["items"] == []


async def test_people_who_wait_for_an_approval_are_listed(api: API) -> None:
    organization = await api.organization()
    now = api.services.clock.now()
    requests = [
        ApprovalRequest(
            id=f"apr_{state}",
            reference=f"AR-0000-000{number}",
            organization_id=organization["id"],
            method=AccessMethod.GRAPH,
            state=state,
            asked_by_member_id=(await api.member(organization["id"], f"u-{number}"))["id"],
            asked_by_name="Tom Ellis",
            created_at=now + timedelta(minutes=number),
            updated_at=now,
        )
        for number, state in enumerate((ApprovalRequestState.APPROVED, ApprovalRequestState.WAITING))
    ]
    async with api.services.transactions() as tx:
        for each in requests:
            await tx.approval_requests.add(each)
    path = f"/v1/organizations/{organization['id']}/approval-requests"

    every = (await api.client.get(path)).json()["items"]
    still_open = (await api.client.get(path, params={"open": "true"})).json()["items"]

    assert [each["state"] for each in every] == ["waiting", "approved"]
    assert [each["id"] for each in still_open] == ["apr_waiting"]


# -- idempotency -----------------------------------------------------------------------------------------------


async def test_creating_call_sent_again_is_answered_the_same_and_done_once(api: API) -> None:
    organization = await api.organization()
    path = f"/v1/organizations/{organization['id']}/admin-consent-links"
    body, headers = {"asked_by_name": "Dana Okafor"}, {"Idempotency-Key": "one"}

    first = await api.client.post(path, json=body, headers=headers)
    second = await api.client.post(path, json=body, headers=headers)
    other = await api.client.post(path, json=body, headers={"Idempotency-Key": "two"})

    assert (second.status_code, second.content) == (first.status_code, first.content)
    assert second.headers["idempotent-replayed"] == "true"
    assert "idempotent-replayed" not in first.headers
    assert other.json()["id"] != first.json()["id"]
    assert len((await api.client.get(path)).json()["items"]) == 2


async def test_key_with_another_body_or_address_conflicts(api: API) -> None:
    one, other = await api.organization("one"), await api.organization("other")
    headers = {"Idempotency-Key": "same"}
    path = f"/v1/organizations/{one['id']}/admin-consent-links"
    await api.client.post(path, json={"asked_by_name": "Dana Okafor"}, headers=headers)

    body = await api.client.post(path, json={"asked_by_name": "Tom Ellis"}, headers=headers)
    address = await api.client.post(
        path.replace(one["id"], other["id"]), json={"asked_by_name": "Dana Okafor"}, headers=headers
    )

    assert_problem(body, 409, "idempotency_key_reused")
    assert_problem(address, 409, "idempotency_key_reused")


async def test_many_at_once_with_one_key_create_one(api: API) -> None:
    organization = await api.organization()
    path = f"/v1/organizations/{organization['id']}/admin-consent-links"

    answers = await asyncio.gather(
        *(
            api.client.post(path, json={"asked_by_name": "Dana Okafor"}, headers={"Idempotency-Key": "k"})
            for _ in range(8)
        )
    )

    assert {answer.status_code for answer in answers} <= {201, 409}
    assert len({answer.json()["id"] for answer in answers if answer.status_code == 201}) == 1
    for answer in answers:
        if answer.status_code == 409:
            assert_problem(answer, 409, "idempotent_call_running")
    assert len((await api.client.get(path)).json()["items"]) == 1


async def test_failure_is_not_kept_and_keys_belong_to_their_caller(api: API) -> None:
    headers = {"Idempotency-Key": "retry"}
    failed = await api.client.post(
        "/v1/organizations/org_none/admin-consent-links", json={"asked_by_name": "D"}, headers=headers
    )
    assert_problem(failed, 404, "not_found")
    made = await api.client.post("/v1/organizations", json={"external_id": "a", "name": "A"}, headers=headers)
    assert made.status_code == 201
    _, key = await api.services.access.create_api_key(name="Other", permissions=API_PERMISSIONS, actor=SYSTEM)
    other = await api.client.post(
        "/v1/organizations",
        json={"external_id": "b", "name": "B"},
        headers={**headers, "Authorization": f"Bearer {key.reveal()}"},
    )
    assert other.status_code == 201


async def test_kept_answer_is_sealed_and_forgotten_in_time(api: API, clock: Any) -> None:
    organization = await api.organization()
    path = f"/v1/organizations/{organization['id']}/admin-consent-links"
    headers = {"Idempotency-Key": "k"}
    first = await api.client.post(path, json={"asked_by_name": "Dana Okafor"}, headers=headers)
    secret = first.json()["url"].rpartition("/")[2]

    async with api.services.transactions() as tx:
        repeated = await tx.idempotency.claim(
            caller_id=(await api.services.access.list_api_keys())[0].id,
            key="k",
            request_hash=b"other",
            now=clock.now(),
        )
    assert repeated is not None
    assert repeated.answer is not None
    assert secret.encode() not in repeated.answer

    clock.advance(timedelta(hours=49))
    again = await api.client.post(path, json={"asked_by_name": "Dana Okafor"}, headers=headers)
    assert again.json()["id"] != first.json()["id"]


class Made(BaseModel):
    """What an effect elsewhere answers."""

    id: str


@dataclass
class Elsewhere:
    """A call with an effect at Microsoft, made again and again with one key."""

    api: API
    done: int = 0
    failure: BaseException | None = None

    async def call(self) -> Response:
        async def act() -> Outcome:
            self.done += 1
            if self.failure is not None:
                raise self.failure
            return Outcome(201, Made(id=f"made {self.done}"))

        state = SimpleNamespace(services=self.api.services)
        request = Request(
            {
                "type": "http",
                "method": "POST",
                "path": "/v1/made",
                "headers": [],
                "app": SimpleNamespace(state=state),
            }
        )
        request.state.principal = Principal(Role.API_KEY, "key_1", "Key", API_PERMISSIONS)
        with declared(instance_wide(Duty.MAILBOX)):
            return await once_elsewhere(request, "k", None, act)


async def test_an_effect_elsewhere_is_answered_again_and_done_once(api: API) -> None:
    elsewhere = Elsewhere(api)
    first, second = await elsewhere.call(), await elsewhere.call()
    assert (first.body, elsewhere.done) == (second.body, 1)
    assert second.headers["idempotent-replayed"] == "true"


async def test_an_effect_elsewhere_that_was_refused_may_be_tried_again(api: API) -> None:
    elsewhere = Elsewhere(api, failure=NotFound("There is no such folder."))
    with pytest.raises(NotFound):
        await elsewhere.call()
    elsewhere.failure = None
    assert (await elsewhere.call()).status_code == 201


async def test_an_effect_elsewhere_whose_answer_was_lost_is_never_done_again(api: API) -> None:
    elsewhere = Elsewhere(api, failure=TemporarilyUnavailable("No answer in time."))
    with pytest.raises(TemporarilyUnavailable):
        await elsewhere.call()
    elsewhere.failure = None
    for _ in range(2):
        with pytest.raises(OutcomeUnknown):
            await elsewhere.call()
    assert elsewhere.done == 1


async def test_an_effect_elsewhere_that_was_cut_off_is_never_done_again(api: API, clock: Any) -> None:
    elsewhere = Elsewhere(api, failure=asyncio.CancelledError())
    with pytest.raises(asyncio.CancelledError):
        await elsewhere.call()
    elsewhere.failure = None
    with pytest.raises(StillRunning):
        await elsewhere.call()
    clock.advance(timedelta(minutes=2))
    with pytest.raises(OutcomeUnknown):
        await elsewhere.call()
    assert elsewhere.done == 1


class ProcessDied(BaseException):
    """What no handler of ours catches, like the end of the process."""


@pytest.mark.parametrize("dies_in", ["keep_answer", "claim"])
async def test_a_crash_beside_the_effect_leaves_neither_effect_nor_key(
    api: API, monkeypatch: pytest.MonkeyPatch, dies_in: str
) -> None:
    organization = await api.organization()
    path = f"/v1/organizations/{organization['id']}/admin-consent-links"
    call = {"json": {"asked_by_name": "Dana Okafor"}, "headers": {"Idempotency-Key": "k"}}
    real = getattr(SQLIdempotencyStore, dies_in)

    async def die(self: SQLIdempotencyStore, **given: Any) -> None:
        await real(self, **given)
        raise ProcessDied

    monkeypatch.setattr(SQLIdempotencyStore, dies_in, die)
    with contextlib.suppress(ProcessDied, httpx.HTTPError):
        answer = await api.client.post(path, **call)
        assert answer.status_code == 500
    monkeypatch.undo()

    assert (await api.client.get(path)).json()["items"] == []
    first = await api.client.post(path, **call)
    again = await api.client.post(path, **call)
    assert (first.status_code, "idempotent-replayed" in first.headers) == (201, False)
    assert again.content == first.content
    assert len((await api.client.get(path)).json()["items"]) == 1


async def test_parts_of_a_whole_transaction_commit_together_and_fail_by_themselves(api: API) -> None:
    transactions, now = api.services.transactions, api.services.clock.now()

    async def add(name: str) -> None:
        async with transactions() as part:
            await part.organizations.add(Organization(name, name, name, now))

    async def listed() -> set[str]:
        async with transactions() as tx:
            return {each.id for each in (await tx.organizations.page(limit=50)).items if each.id[0] == "p"}

    async def add_and_die() -> None:
        async with transactions.whole():
            await add("p1")
            raise ProcessDied

    with pytest.raises(ProcessDied):
        await add_and_die()
    assert await listed() == set()
    async with transactions.whole():
        await add("p1")
        with pytest.raises(Conflict):
            await add("p1")
        with confined("p1"), pytest.raises(Exception, match="row-level security"):
            await add("p2")
        await add("p3")
        # A task of its own is not part of it.
        assert await asyncio.create_task(listed()) == set()
    assert await listed() == {"p1", "p3"}


async def test_a_call_that_died_at_microsoft_is_never_done_twice(api: API, clock: Any) -> None:
    call = {"caller_id": "key_1", "key": "k", "request_hash": b"h"}
    async with api.services.transactions() as tx:
        assert await tx.idempotency.claim(**call, now=clock.now()) is None
    for seconds, died in ((59, False), (2, True), (24 * 3600, True)):
        clock.advance(timedelta(seconds=seconds))
        async with api.services.transactions() as tx:
            known = await tx.idempotency.claim(**call, now=clock.now())
        assert known is not None
        assert known.has_died(clock.now()) is died


# -- strict bodies and queries ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"nonsense",
        b"[]",
        b"null",
        b'{"external_id": "a"}',
        b'{"external_id": "a", "name": "A", "admin": true}',
        b'{"external_id": "a", "name": "A", "name": "B"}',
        b'{"external_id": "a", "name": "A", "seat_count": NaN}',
        b'{"external_id": "a", "name": "A", "seat_count": "3"}',
        b'{"external_id": "a", "name": "A", "seat_count": 1e400}',
        b'{"external_id": "a", "name": "A", "seat_count": ' + b"9" * 5000 + b"}",
        b'{"external_id": "a", "name": "A", "seat_count": -1}',
        b'{"external_id": "a", "name": "\\u0000"}',
        b'{"external_id": "a", "name": "\\ud800"}',
        b'{"external_id": "a\\r\\nb", "name": "A"}',
        b'{"external_id": "a", "name": ""}',
        b'{"external_id": "a", "name": 7}',
        b'{"external_id": "a", "name": "A", "pinned_method": "imap"}',
        b'{"external_id": "a", "name": "A", "allowed_domains": ["not a domain"]}',
        b'{"external_id": "a", "name": "A", "expected_tenant_id": "contoso"}',
        b'{"external_id": "\xff", "name": "A"}',
        b'{"name":' * 50_000,
        b"[" * 100_000,
    ],
)
async def test_body_of_another_shape_is_refused_and_nothing_is_made(api: API, body: bytes) -> None:
    answer = await api.client.post(
        "/v1/organizations", content=body, headers={"Content-Type": "application/json"}
    )

    problem = assert_problem(answer, 400, "invalid_request")
    assert "Traceback" not in answer.text
    assert "pydantic" not in problem["detail"].lower()
    assert (await api.client.get("/v1/organizations")).json()["items"] == []


@pytest.mark.parametrize(
    ("path", "params"),
    [
        ("/v1/organizations", {"limit": "0"}),
        ("/v1/organizations", {"limit": "201"}),
        ("/v1/organizations", {"limit": "ten"}),
        ("/v1/organizations", {"unknown": "1"}),
        ("/v1/organizations", {"cursor": "nonsense"}),
        ("/v1/organizations", {"search": "\x00"}),
        ("/v1/audit", {"what": "DROP TABLE"}),
        ("/v1/audit", {"cursor": "-1"}),
        ("/v1/connections/con_1/messages", {"folder": "../../users"}),
        ("/v1/connections/con_1/messages", {"unread": "perhaps"}),
        ("/v1/connections/con_1/messages", {"cursor": "nonsense"}),
        ("/v1/connections/con_1/events", {}),
        ("/v1/connections/con_1/events", {"from": "2026-11-23", "to": "2026-11-24"}),
        ("/v1/connections/con_1/events", {"from": "2026-11-23T00:00:00", "to": "2026-11-24T00:00:00"}),
        ("/v1/connections/con_1/events", {"from": WINDOW["to"], "to": WINDOW["from"]}),
        ("/v1/connections/con_1/events", {"from": "2026-01-01T00:00:00Z", "to": "2029-01-01T00:00:00Z"}),
        ("/v1/connections/con_1/events", {"from": "0001-01-01T00:00:00Z", "to": "0001-01-02T00:00:00Z"}),
    ],
)
async def test_query_of_another_shape_is_refused(api: API, path: str, params: dict[str, str]) -> None:
    await api.connection()

    problem = assert_problem(await api.client.get(path, params=params), 400, "invalid_request")
    assert problem["errors"]


# -- mail and calendar -----------------------------------------------------------------------------------------


async def test_folders_messages_and_one_message_are_read(api: API) -> None:
    connection = await api.connection()
    path = f"/v1/connections/{connection}"

    folders = await api.client.get(f"{path}/folders")
    first = await api.client.get(f"{path}/messages", params={"folder": "inbox", "limit": "2"})
    rest = await api.client.get(
        f"{path}/messages",
        params={"folder": "inbox", "limit": "10", "cursor": first.json()["next_cursor"]},
    )
    unread = await api.client.get(f"{path}/messages", params={"unread": "true"})
    whole = await api.client.get(f"{path}/messages/m4")

    assert folders.json()["items"][0]["well_known"] == "inbox"
    assert folders.json()["items"][0]["total_count"] == 5
    subjects = [item["subject"] for page in (first, rest) for item in page.json()["items"]]
    assert subjects == ["Note 4", "Note 3", "Note 2", "Note 1", "Note 0"]
    assert [item["id"] for item in unread.json()["items"]] == ["m3", "m1"]
    assert "text" not in first.json()["items"][0]
    assert whole.json()["text"] == "Hello"
    assert whole.json()["headers"] == {"Received": ["a", "b"]}
    assert whole.json()["received_at"] == "2026-11-24T09:04:00Z"


async def test_message_has_an_entity_tag_and_is_not_sent_again(api: API) -> None:
    path = f"/v1/connections/{await api.connection()}/messages/m1"
    tag = (await api.client.get(path)).headers["etag"]

    known = await api.client.get(path, headers={"If-None-Match": f'"x", {tag}'})
    other = await api.client.get(path, headers={"If-None-Match": 'W/"x"'})

    assert (known.status_code, known.content, known.headers["etag"]) == (304, b"", tag)
    assert other.status_code == 200
    assert tag.startswith('W/"')
    assert tag.isascii()


async def test_calendars_and_events_are_read(api: API) -> None:
    path = f"/v1/connections/{await api.connection()}"

    calendars = await api.client.get(f"{path}/calendars")
    events = await api.client.get(f"{path}/events", params=WINDOW)

    assert [item["name"] for item in calendars.json()["items"]] == ["Calendar"]
    assert events.json() == {"items": [], "next_cursor": None}


@pytest.mark.parametrize(
    ("fields", "status", "code", "reason"),
    [
        (
            {"status": ConnectionStatus.NEEDS_SIGN_IN, "reason": "sign_in_needed"},
            409,
            "reauthorization_required",
            "sign_in_needed",
        ),
        ({"status": ConnectionStatus.WAITING_FOR_APPROVAL}, 409, "consent_required", "consent_withdrawn"),
        ({"status": ConnectionStatus.PAUSED}, 409, "connection_not_usable", None),
        ({"status": ConnectionStatus.DISCONNECTED}, 409, "connection_not_usable", None),
        ({"status": ConnectionStatus.UNCONFIRMED}, 409, "connection_not_usable", None),
        ({"mail": False}, 409, "conflict", None),
    ],
)
async def test_connection_that_cannot_be_read_says_why(
    api: API, fields: dict[str, Any], status: int, code: str, reason: str | None
) -> None:
    connection = await api.connection(**fields)

    answer = await api.client.get(f"/v1/connections/{connection}/messages")

    problem = assert_problem(answer, status, code)
    assert problem.get("reason") == reason
    if code != "conflict":
        assert problem["ref"] == "CO-9D1M-7VHE"


async def test_failing_connection_is_tried(api: API) -> None:
    connection = await api.connection(status=ConnectionStatus.FAILING, reason="microsoft_down")

    assert (await api.client.get(f"/v1/connections/{connection}/messages")).status_code == 200


async def test_unknown_connection_folder_and_message_are_not_found(api: API) -> None:
    connection = await api.connection()
    for path in ("con_none/folders", f"{connection}/messages/none", f"{connection}/messages?folder=none"):
        assert_problem(await api.client.get(f"/v1/connections/{path}"), 404, "not_found")


async def test_throttling_by_microsoft_says_when_to_come_back(
    api: API, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = await api.connection()

    async def slow_down(*_: Any, **__: Any) -> None:
        raise Throttled("Microsoft asked us to slow down.", retry_after_seconds=17.2)

    monkeypatch.setattr(api.mail, "list_messages", slow_down)
    answer = await api.client.get(f"/v1/connections/{connection}/messages")

    problem = assert_problem(answer, 503, "throttled")
    assert problem["reason"] == "slowed_down"
    assert answer.headers["retry-after"] in {"17", "18"}


async def test_bug_shows_nothing_of_itself(api: API, monkeypatch: pytest.MonkeyPatch) -> None:
    connection = await api.connection()

    async def explode(*_: Any, **__: Any) -> None:
        raise RuntimeError("secret detail /srv/ostiary SELECT *")

    monkeypatch.setattr(api.mail, "list_messages", explode)
    answer = await api.client.get(f"/v1/connections/{connection}/messages")

    assert_problem(answer, 500, "internal_error")
    assert "secret detail" not in answer.text


async def test_log_line_of_a_call_names_request_and_connection_but_no_content(api: API) -> None:
    connection = await api.connection()
    with structlog.testing.capture_logs(processors=[structlog.contextvars.merge_contextvars]) as lines:
        answer = await api.client.get(f"/v1/connections/{connection}/messages/m1")

    line = next(line for line in lines if line["event"] == "request")
    assert line["connection_id"] == connection
    assert line["request_id"] == answer.headers["x-request-id"]
    assert line["route"] == "/v1/connections/{connection_id}/messages/{message_id}"
    assert "Note 1" not in str(lines)
    assert "ost_" not in str(lines)


async def test_unknown_path_and_wrong_method_are_problems_too(api: API) -> None:
    assert_problem(await api.client.get("/v1/nothing"), 404, "not_found")
    assert_problem(await api.client.delete("/v1/organizations"), 405, "method_not_allowed")


# -- bulk reads ------------------------------------------------------------------------------------------------


async def test_reading_mailboxes_is_counted_and_stopped_at_the_ceiling(
    api: API, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = await api.connection()
    monkeypatch.setattr(api.services.bulk_reads, "_ceilings", Ceilings(20, 1000, CeilingAction.STOP))
    codes = [(await api.client.get(f"/v1/connections/{connection}/messages")).status_code for _ in range(21)]
    assert codes[:19] == [200] * 19
    assert codes[19:] == [429, 429]
    # Only reading is stopped.
    assert (await api.client.get(f"/v1/connections/{connection}")).status_code == 200
    assert (
        b'ostiary_bulk_read_alarms_total{level="ceiling",subject="key"} 1.0' in api.services.metrics.render()
    )
