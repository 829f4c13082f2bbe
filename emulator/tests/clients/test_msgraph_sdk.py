"""msgraph-sdk, unmodified: its own base URL by public settings, and under Microsoft's host names."""

from __future__ import annotations

import asyncio
import ssl
import warnings
from collections.abc import AsyncIterator, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from aiohttp import web

from browsing import Browser, query_of
from graph_conformance import conforming_answers
from m365_emulator.pytest_plugin import RunningEmulator
from sample import (
    BACKGROUND_ID,
    BACKGROUND_SECRET,
    CLIENT_ID,
    CLIENT_SECRET,
    DANA,
    GRAPH_SCOPE,
    HARBOUR,
    REDIRECT_URI,
    TOM,
    App,
)

with warnings.catch_warnings():
    # The generated models of the SDK warn on import on some versions of its own dependencies.
    warnings.simplefilter("ignore")
    from azure.identity.aio import AuthorizationCodeCredential, ClientSecretCredential
    from kiota_abstractions.base_request_configuration import RequestConfiguration
    from kiota_authentication_azure.azure_identity_authentication_provider import (
        AzureIdentityAuthenticationProvider,
    )
    from msgraph import GraphRequestAdapter, GraphServiceClient
    from msgraph.generated.models.attachment_item import AttachmentItem
    from msgraph.generated.models.attachment_type import AttachmentType
    from msgraph.generated.models.attendee import Attendee
    from msgraph.generated.models.body_type import BodyType
    from msgraph.generated.models.date_time_time_zone import DateTimeTimeZone
    from msgraph.generated.models.day_of_week import DayOfWeek
    from msgraph.generated.models.email_address import EmailAddress
    from msgraph.generated.models.event import Event
    from msgraph.generated.models.file_attachment import FileAttachment
    from msgraph.generated.models.item_body import ItemBody
    from msgraph.generated.models.mail_folder import MailFolder
    from msgraph.generated.models.message import Message
    from msgraph.generated.models.o_data_errors.o_data_error import ODataError
    from msgraph.generated.models.patterned_recurrence import PatternedRecurrence
    from msgraph.generated.models.recipient import Recipient
    from msgraph.generated.models.recurrence_pattern import RecurrencePattern
    from msgraph.generated.models.recurrence_pattern_type import RecurrencePatternType
    from msgraph.generated.models.recurrence_range import RecurrenceRange
    from msgraph.generated.models.recurrence_range_type import RecurrenceRangeType
    from msgraph.generated.models.subscription import Subscription
    from msgraph.generated.users.item.calendar.get_schedule.get_schedule_post_request_body import (
        GetSchedulePostRequestBody,
    )
    from msgraph.generated.users.item.calendar_view.calendar_view_request_builder import (
        CalendarViewRequestBuilder,
    )
    from msgraph.generated.users.item.events.item.accept.accept_post_request_body import AcceptPostRequestBody
    from msgraph.generated.users.item.mail_folders.item.messages.delta.delta_request_builder import (
        DeltaRequestBuilder,
    )
    from msgraph.generated.users.item.messages.item.attachments.create_upload_session import (
        create_upload_session_post_request_body as upload,
    )
    from msgraph.generated.users.item.messages.item.move.move_post_request_body import MovePostRequestBody
    from msgraph.generated.users.item.messages.messages_request_builder import MessagesRequestBuilder
    from msgraph.generated.users.item.send_mail.send_mail_post_request_body import SendMailPostRequestBody
    from msgraph.graph_request_adapter import options
    from msgraph_core import GraphClientFactory
    from msgraph_core.requests.batch_request_content import BatchRequestContent
    from msgraph_core.requests.batch_request_item import BatchRequestItem

pytestmark = [
    pytest.mark.clients,
    # The SDK loads its own deprecated classes when a part of it is first used.
    pytest.mark.filterwarnings("ignore:This class is deprecated:DeprecationWarning"),
]


@pytest.fixture(autouse=True)
def conformance(m365_emulator: RunningEmulator, tmp_path: Path) -> Iterator[None]:
    """Check every answer of Graph against Microsoft's metadata."""
    with conforming_answers(m365_emulator.world, tmp_path / "exchanges.jsonl"):
        yield


class WayIn:
    """How credentials and clients are made for one way in."""

    def __init__(self, emulator: RunningEmulator, name: str) -> None:
        self.emulator, self.name = emulator, name
        self._open: list[Any] = []

    @property
    def login(self) -> dict[str, Any]:
        if self.name == "own origin":
            return {
                "authority": self.emulator.https_url,
                "disable_instance_discovery": True,
                "connection_verify": self.emulator.ca,
            }
        return {"connection_verify": self.emulator.ca, "use_env_settings": True}

    def client(self, credential: Any) -> GraphServiceClient:
        """Return a client as the SDK's own documentation makes it; only base URL and CA are set for the own origin."""
        self._open.append(credential)
        scopes = ["https://graph.microsoft.com/.default"]
        if self.name != "own origin":
            plain = GraphServiceClient(credential, scopes)
            # The SDK offers no way to close the HTTP client that it made itself.
            self._open.append(plain.request_adapter._http_client)
            return plain
        context = ssl.create_default_context(cafile=self.emulator.ca)
        http = httpx.AsyncClient(verify=context, base_url=f"{self.emulator.https_url}/v1.0", trust_env=False)
        self._open.append(http)
        made = GraphClientFactory.create_with_default_middleware(client=http, options=options)
        adapter = GraphRequestAdapter(
            AzureIdentityAuthenticationProvider(credential, scopes=scopes), client=made
        )
        return GraphServiceClient(request_adapter=adapter)

    def for_app(self) -> GraphServiceClient:
        return self.client(ClientSecretCredential(HARBOUR, BACKGROUND_ID, BACKGROUND_SECRET, **self.login))

    def for_person(self, browser: Browser, app: App, address: str) -> GraphServiceClient:
        url = app.authorize_url(HARBOUR, prompt="select_account", code_challenge="", scope=GRAPH_SCOPE)
        code = query_of(browser.sign_in(browser.open(url), address).url)["code"]
        return self.client(
            AuthorizationCodeCredential(
                HARBOUR, CLIENT_ID, code, REDIRECT_URI, client_secret=CLIENT_SECRET, **self.login
            )
        )

    async def close(self) -> None:
        for one in self._open:
            await (_close(one) if isinstance(one, httpx.AsyncClient) else one.close())


async def _close(http: httpx.AsyncClient) -> None:
    """Close an HTTP client of the SDK; its own transports do not close what they wrap."""
    for transport in (http._transport, *http._mounts.values()):
        while transport is not None:
            inner = getattr(transport, "transport", None)
            if inner is None:
                await transport.aclose()
            transport = inner
    await http.aclose()


@pytest_asyncio.fixture(params=["own origin", "stand-in"])
async def way_in(
    request: pytest.FixtureRequest, m365_emulator: RunningEmulator, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[WayIn]:
    if request.param == "stand-in":
        for name, value in m365_emulator.stand_in_environment().items():
            monkeypatch.setenv(name, value)
    made = WayIn(m365_emulator, request.param)
    yield made
    await made.close()


def recipient(address: str) -> Recipient:
    return Recipient(email_address=EmailAddress(address=address))


def when(text: str, zone: str = "W. Europe Standard Time") -> DateTimeTimeZone:
    return DateTimeTimeZone(date_time=text, time_zone=zone)


async def test_app_reads_and_pages_messages(way_in: WayIn) -> None:
    client = way_in.for_app()
    query = MessagesRequestBuilder.MessagesRequestBuilderGetQueryParameters(
        top=5,
        select=["subject", "from", "receivedDateTime"],
        filter="receivedDateTime ge 2020-01-01T00:00:00Z and isRead eq false",
        orderby=["receivedDateTime desc"],
        count=True,
    )
    page = await client.users.by_user_id(TOM).messages.get(RequestConfiguration(query_parameters=query))
    seen = {one.id for one in page.value}
    while page.odata_next_link:
        page = await client.users.by_user_id(TOM).messages.with_url(page.odata_next_link).get()
        seen |= {one.id for one in page.value}
    unread = [one for one in way_in.emulator.world.find_mailbox(TOM).all_mail() if not one.is_read]
    assert len(seen) == len(unread)


async def test_error_carries_graphs_code(way_in: WayIn) -> None:
    client = way_in.for_app()
    with pytest.raises(ODataError) as raised:
        await client.users.by_user_id(TOM).messages.by_message_id("AAMk").get()
    assert raised.value.response_status_code == 400
    assert raised.value.error.code == "ErrorInvalidIdMalformed"


async def test_person_works_with_mail(way_in: WayIn, browser: Browser, app: App) -> None:
    app.approve(browser)
    client = way_in.for_person(browser, app, TOM)
    me = await client.me.get()
    assert me.user_principal_name == TOM
    draft = await client.me.messages.post(
        Message(
            subject="From the SDK",
            body=ItemBody(content_type=BodyType.Html, content="<p>Hello</p>"),
            to_recipients=[recipient(DANA)],
        )
    )
    await client.me.messages.by_message_id(draft.id).attachments.post(
        FileAttachment(
            odata_type="#microsoft.graph.fileAttachment",
            name="a.txt",
            content_bytes=b"aGVsbG8=",
            content_type="text/plain",
        )
    )
    await client.me.messages.by_message_id(draft.id).patch(Message(subject="From the SDK, again"))
    await client.me.messages.by_message_id(draft.id).send.post()
    body = SendMailPostRequestBody(
        message=Message(subject="Directly", to_recipients=[recipient(DANA)]), save_to_sent_items=True
    )
    await client.me.send_mail.post(body)
    arrived = way_in.emulator.world.find_mailbox(DANA).all_mail()[:2]
    assert {one.subject for one in arrived} == {"From the SDK, again", "Directly"}
    assert {one.has_attachments for one in arrived} == {True, False}


async def test_folders_are_made_and_messages_moved(way_in: WayIn) -> None:
    user = way_in.for_app().users.by_user_id(TOM)
    made = await user.mail_folders.post(MailFolder(display_name="SDK"))
    message = (await user.mail_folders.by_mail_folder_id("inbox").messages.get()).value[0]
    moved = await user.messages.by_message_id(message.id).move.post(
        MovePostRequestBody(destination_id=made.id)
    )
    assert moved.parent_folder_id == made.id
    await user.messages.by_message_id(moved.id).delete()
    with pytest.raises(ODataError) as raised:
        await user.messages.by_message_id(moved.id).get()
    assert raised.value.error.code == "ErrorItemNotFound"


async def test_delta_rounds(way_in: WayIn) -> None:
    inbox = way_in.for_app().users.by_user_id(TOM).mail_folders.by_mail_folder_id("inbox")
    query = DeltaRequestBuilder.DeltaRequestBuilderGetQueryParameters(select=["subject", "isRead"])
    configuration = RequestConfiguration(query_parameters=query)
    configuration.headers.add("Prefer", "odata.maxpagesize=4")
    page = await inbox.messages.delta.get(configuration)
    found = list(page.value)
    while page.odata_next_link:
        page = await inbox.messages.delta.with_url(page.odata_next_link).get()
        found += page.value
    await inbox.messages.by_message_id(found[0].id).patch(Message(is_read=not found[0].is_read))
    await inbox.messages.by_message_id(found[1].id).delete()
    page = await inbox.messages.delta.with_url(page.odata_delta_link).get()
    assert {one.id for one in page.value} == {found[0].id, found[1].id}
    assert [one.id for one in page.value if "@removed" in one.additional_data] == [found[1].id]


async def test_recurring_meeting_is_made_expanded_and_answered(way_in: WayIn) -> None:
    client = way_in.for_app()
    user = client.users.by_user_id(TOM)
    event = Event(
        subject="SDK weekly",
        start=when("2027-03-22T10:00:00"),
        end=when("2027-03-22T11:00:00"),
        attendees=[Attendee(email_address=EmailAddress(address=DANA))],
        recurrence=PatternedRecurrence(
            pattern=RecurrencePattern(
                type=RecurrencePatternType.Weekly,
                interval=1,
                days_of_week=[DayOfWeek.Monday],
                first_day_of_week=DayOfWeek.Monday,
            ),
            range=RecurrenceRange(
                type=RecurrenceRangeType.Numbered,
                start_date=datetime(2027, 3, 22).date(),
                number_of_occurrences=3,
            ),
        ),
    )
    made = await user.events.post(event)
    query = CalendarViewRequestBuilder.CalendarViewRequestBuilderGetQueryParameters(
        start_date_time="2027-03-20T00:00:00Z", end_date_time="2027-04-20T00:00:00Z"
    )
    view = await user.calendar_view.get(RequestConfiguration(query_parameters=query))
    mine = [one for one in view.value if one.series_master_id == made.id]
    assert [one.start.date_time[:16] for one in mine] == [
        "2027-03-22T09:00",
        "2027-03-29T08:00",
        "2027-04-05T08:00",
    ]
    await user.events.by_event_id(mine[1].id).patch(Event(subject="SDK moved"))
    dana = client.users.by_user_id(DANA)
    theirs = next(one for one in (await dana.events.get()).value if one.i_cal_u_id == made.i_cal_u_id)
    await dana.events.by_event_id(theirs.id).accept.post(
        AcceptPostRequestBody(comment="Yes", send_response=True)
    )
    again = await user.events.by_event_id(made.id).get()
    assert again.attendees[0].status.response.value == "accepted"


async def test_schedule_of_two_people(way_in: WayIn) -> None:
    user = way_in.for_app().users.by_user_id(TOM)
    body = GetSchedulePostRequestBody(
        schedules=[TOM, DANA],
        start_time=when("2027-05-11T09:00:00", "UTC"),
        end_time=when("2027-05-11T18:00:00", "UTC"),
        availability_view_interval=60,
    )
    found = await user.calendar.get_schedule.post(body)
    assert [one.schedule_id for one in found.value] == [TOM, DANA]
    assert {len(one.availability_view) for one in found.value} == {9}


async def test_batch_with_a_dependency(way_in: WayIn) -> None:
    client = way_in.for_app()
    user = client.users.by_user_id(TOM)
    first = BatchRequestItem(
        request_information=user.mail_folders.by_mail_folder_id("inbox").to_get_request_information(), id="1"
    )
    second = BatchRequestItem(
        request_information=user.calendar.to_get_request_information(), id="2", depends_on=[first]
    )
    answer = await client.batch.post(BatchRequestContent({"1": first, "2": second}))
    assert {name: one.status for name, one in answer.responses.items()} == {"1": 200, "2": 200}


async def test_subscription_is_made_by_the_sdk_and_posts_to_a_receiver(way_in: WayIn) -> None:
    posted: list[Any] = []

    async def receive(request: web.Request) -> web.Response:
        if "validationToken" in request.query:
            return web.Response(text=request.query["validationToken"])
        posted.append(await request.json())
        return web.Response(status=202)

    application = web.Application()
    application.router.add_post("/changes", receive)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    try:
        client = way_in.for_app()
        made = await client.subscriptions.post(
            Subscription(
                change_type="created",
                notification_url=f"http://127.0.0.1:{port}/changes",
                resource=f"/users/{TOM}/mailFolders('inbox')/messages",
                expiration_date_time=way_in.emulator.world.clock.now() + timedelta(days=1),
                client_state="s",
            )
        )
        assert made.id
        body = SendMailPostRequestBody(message=Message(subject="Ping", to_recipients=[recipient(TOM)]))
        await client.users.by_user_id(DANA).send_mail.post(body)
        for _ in range(100):
            if posted:
                break
            await asyncio.sleep(0.05)
        assert posted[0]["value"][0]["subscriptionId"] == made.id
        await client.subscriptions.by_subscription_id(made.id).delete()
    finally:
        await runner.cleanup()


async def test_large_attachment_by_the_sdks_upload_task(way_in: WayIn) -> None:
    user = way_in.for_app().users.by_user_id(TOM)
    draft = await user.messages.post(Message(subject="Big"))
    size = 4 * 1024 * 1024
    item = AttachmentItem(attachment_type=AttachmentType.File, name="big.bin", size=size)
    session = await user.messages.by_message_id(draft.id).attachments.create_upload_session.post(
        upload.CreateUploadSessionPostRequestBody(attachment_item=item)
    )
    content = bytes(range(256)) * (size // 256)
    half = size // 2
    proxy = None if way_in.name == "own origin" else way_in.emulator.stand_in_environment()["HTTPS_PROXY"]
    context = ssl.create_default_context(cafile=way_in.emulator.ca)
    async with httpx.AsyncClient(verify=context, proxy=proxy, trust_env=False) as http:
        for start in (0, half):
            part = content[start : start + half]
            headers = {"Content-Range": f"bytes {start}-{start + half - 1}/{size}"}
            answer = await http.put(session.upload_url, content=part, headers=headers)
    assert answer.status_code == 201
    found = await user.messages.by_message_id(draft.id).attachments.get()
    assert [one.name for one in found.value] == ["big.bin"]
    assert found.value[0].size >= size
