"""The matrix through msgraph-sdk."""

from __future__ import annotations

import ssl
import warnings
from datetime import UTC, datetime

import httpx

from m365_emulator.pytest_plugin import RunningEmulator
from matrix.model import ATTACHMENT, HTML, Mail, Meeting, bold_part
from sample import BACKGROUND_ID, BACKGROUND_SECRET, HARBOUR, TOM

with warnings.catch_warnings():
    # The generated models of the SDK warn on import on some versions of its own dependencies.
    warnings.simplefilter("ignore")
    from azure.identity.aio import ClientSecretCredential
    from kiota_abstractions.base_request_configuration import RequestConfiguration
    from kiota_authentication_azure.azure_identity_authentication_provider import (
        AzureIdentityAuthenticationProvider,
    )
    from msgraph import GraphRequestAdapter, GraphServiceClient
    from msgraph.generated.models.attendee import Attendee
    from msgraph.generated.models.body_type import BodyType
    from msgraph.generated.models.date_time_time_zone import DateTimeTimeZone
    from msgraph.generated.models.day_of_week import DayOfWeek
    from msgraph.generated.models.email_address import EmailAddress
    from msgraph.generated.models.event import Event
    from msgraph.generated.models.file_attachment import FileAttachment
    from msgraph.generated.models.importance import Importance
    from msgraph.generated.models.item_body import ItemBody
    from msgraph.generated.models.location import Location
    from msgraph.generated.models.message import Message
    from msgraph.generated.models.patterned_recurrence import PatternedRecurrence
    from msgraph.generated.models.recipient import Recipient
    from msgraph.generated.models.recurrence_pattern import RecurrencePattern
    from msgraph.generated.models.recurrence_pattern_type import RecurrencePatternType
    from msgraph.generated.models.recurrence_range import RecurrenceRange
    from msgraph.generated.models.recurrence_range_type import RecurrenceRangeType
    from msgraph.generated.users.item.calendar_view.calendar_view_request_builder import (
        CalendarViewRequestBuilder,
    )
    from msgraph.generated.users.item.events.events_request_builder import EventsRequestBuilder
    from msgraph.generated.users.item.mail_folders.item.messages.messages_request_builder import (
        MessagesRequestBuilder,
    )
    from msgraph.graph_request_adapter import options
    from msgraph_core import GraphClientFactory


class GraphSDKClient:
    """Acts by client credentials, at the emulator's own address."""

    def __init__(self, emulator: RunningEmulator) -> None:
        self._credential = ClientSecretCredential(
            HARBOUR,
            BACKGROUND_ID,
            BACKGROUND_SECRET,
            authority=emulator.https_url,
            disable_instance_discovery=True,
            connection_verify=emulator.ca,
        )
        context = ssl.create_default_context(cafile=emulator.ca)
        self._http = httpx.AsyncClient(verify=context, base_url=f"{emulator.https_url}/v1.0", trust_env=False)
        made = GraphClientFactory.create_with_default_middleware(client=self._http, options=options)
        provider = AzureIdentityAuthenticationProvider(
            self._credential, scopes=["https://graph.microsoft.com/.default"]
        )
        adapter = GraphRequestAdapter(provider, client=made)
        self._user = GraphServiceClient(request_adapter=adapter).users.by_user_id(TOM)

    async def write_mail(self, mail: Mail) -> None:
        await self._user.messages.post(
            Message(
                subject=mail.subject,
                body=ItemBody(content_type=BodyType.Html, content=HTML),
                to_recipients=[_recipient(address) for address in mail.to],
                cc_recipients=[_recipient(address) for address in mail.cc],
                importance=Importance(mail.importance),
                categories=list(mail.categories),
                attachments=[
                    FileAttachment(
                        odata_type="#microsoft.graph.fileAttachment",
                        name="parts.csv",
                        content_type="text/csv",
                        content_bytes=ATTACHMENT,
                    )
                ],
            )
        )

    async def read_mail(self, subject: str) -> Mail:
        query = MessagesRequestBuilder.MessagesRequestBuilderGetQueryParameters(
            filter=f"subject eq '{subject}'", expand=["attachments"]
        )
        drafts = self._user.mail_folders.by_mail_folder_id("drafts")
        found = (await drafts.messages.get(RequestConfiguration(query_parameters=query))).value[0]
        return Mail(
            subject=found.subject,
            bold=bold_part(found.body.content),
            to=tuple(one.email_address.address for one in found.to_recipients),
            cc=tuple(one.email_address.address for one in found.cc_recipients),
            importance=found.importance.value,
            categories=tuple(found.categories),
            attachments=tuple((part.name, part.content_bytes) for part in found.attachments),
        )

    async def write_meeting(self, meeting: Meeting) -> None:
        day = meeting.starts[0].date()
        await self._user.events.post(
            Event(
                subject=meeting.subject,
                location=Location(display_name=meeting.location),
                start=_when(f"{day}T10:00:00"),
                end=_when(f"{day}T10:{meeting.minutes}:00"),
                attendees=[Attendee(email_address=EmailAddress(address=one)) for one in meeting.attendees],
                recurrence=PatternedRecurrence(
                    pattern=RecurrencePattern(
                        type=RecurrencePatternType.Weekly,
                        interval=meeting.interval,
                        days_of_week=[DayOfWeek(one) for one in meeting.days],
                        first_day_of_week=DayOfWeek.Sunday,
                    ),
                    range=RecurrenceRange(
                        type=RecurrenceRangeType.Numbered,
                        start_date=day,
                        number_of_occurrences=meeting.count,
                    ),
                ),
            )
        )

    async def read_meeting(self, subject: str) -> Meeting:
        by_subject = EventsRequestBuilder.EventsRequestBuilderGetQueryParameters(
            filter=f"subject eq '{subject}'"
        )
        master = (await self._user.events.get(RequestConfiguration(query_parameters=by_subject))).value[0]
        window = CalendarViewRequestBuilder.CalendarViewRequestBuilderGetQueryParameters(
            start_date_time="2027-03-01T00:00:00Z", end_date_time="2027-05-01T00:00:00Z", top=500
        )
        view = (await self._user.calendar_view.get(RequestConfiguration(query_parameters=window))).value
        return Meeting(
            subject=master.subject,
            starts=tuple(sorted(_moment(one.start) for one in view if one.subject == subject)),
            minutes=int((_moment(master.end) - _moment(master.start)).total_seconds()) // 60,
            location=master.location.display_name,
            organizer=master.organizer.email_address.address,
            attendees=tuple(one.email_address.address for one in master.attendees),
            days=tuple(sorted(one.value for one in master.recurrence.pattern.days_of_week)),
            interval=master.recurrence.pattern.interval,
            count=master.recurrence.range.number_of_occurrences,
        )

    async def close(self) -> None:
        await self._credential.close()
        # The SDK's own transports do not close what they wrap.
        for transport in (self._http._transport, *self._http._mounts.values()):
            while transport is not None:
                inner = getattr(transport, "transport", None)
                if inner is None:
                    await transport.aclose()
                transport = inner
        await self._http.aclose()


def _recipient(address: str) -> Recipient:
    return Recipient(email_address=EmailAddress(address=address))


def _when(text: str) -> DateTimeTimeZone:
    return DateTimeTimeZone(date_time=text, time_zone="GMT Standard Time")


def _moment(value: DateTimeTimeZone) -> datetime:
    assert value.time_zone == "UTC"
    return datetime.fromisoformat(value.date_time[:19]).replace(tzinfo=UTC)
