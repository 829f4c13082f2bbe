"""EWS's elements to our models, on answers as Exchange writes them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from lxml import etree

from ostiary.adapters.ews.codec import calendar, mail
from ostiary.adapters.ews.ids import ews_id, our_id
from ostiary.adapters.ews.operations.find_folder import is_hidden
from ostiary.adapters.ews.soap import TYPES, Element
from ostiary.core.calendar.model import AttendeeKind, EventKind, Response, ShowAs
from ostiary.core.kernel.errors import NotFound, ProviderContractBroken
from ostiary.core.kernel.mail_address import MailAddress
from ostiary.core.mail.model import Importance, WellKnownFolder


def node(xml: str) -> Element:
    return etree.fromstring(f'<t:root xmlns:t="{TYPES}">{xml}</t:root>')[0]


MESSAGE = """
<t:Message>
  <t:ItemId Id="AAMk/a+b=" ChangeKey="CQAA"/>
  <t:ParentFolderId Id="AAMkfolder=" ChangeKey="AQ"/>
  <t:Subject>Re: figures</t:Subject>
  <t:Body BodyType="HTML">&lt;p&gt;Hello&lt;/p&gt;</t:Body>
  <t:Attachments>
    <t:FileAttachment><t:AttachmentId Id="AT/1+="/><t:Name>a.csv</t:Name><t:ContentType>text/csv</t:ContentType>
      <t:Size>12</t:Size><t:IsInline>false</t:IsInline></t:FileAttachment>
    <t:ItemAttachment><t:AttachmentId Id="AT2"/><t:Name>Fwd</t:Name><t:Size>900</t:Size></t:ItemAttachment>
  </t:Attachments>
  <t:DateTimeReceived>2026-11-24T09:12:00Z</t:DateTimeReceived>
  <t:Categories><t:String>Blue</t:String></t:Categories>
  <t:Importance>High</t:Importance>
  <t:InternetMessageHeaders>
    <t:InternetMessageHeader HeaderName="Received">by a</t:InternetMessageHeader>
    <t:InternetMessageHeader HeaderName="Received">by b</t:InternetMessageHeader>
  </t:InternetMessageHeaders>
  <t:HasAttachments>true</t:HasAttachments>
  <t:ConversationId Id="AAQk/c="/>
  <t:ToRecipients>
    <t:Mailbox><t:Name>Tom Ellis</t:Name><t:EmailAddress>tom.ellis@harbourvale.example</t:EmailAddress>
      <t:RoutingType>SMTP</t:RoutingType></t:Mailbox>
    <t:Mailbox><t:Name>Old entry</t:Name><t:EmailAddress>/o=Exchange/cn=old</t:EmailAddress>
      <t:RoutingType>EX</t:RoutingType></t:Mailbox>
  </t:ToRecipients>
  <t:From><t:Mailbox><t:Name>Dana Okafor</t:Name><t:EmailAddress>dana.okafor@harbourvale.example</t:EmailAddress>
  </t:Mailbox></t:From>
  <t:IsRead>1</t:IsRead>
</t:Message>
"""


def test_message_is_read_whole() -> None:
    message = mail.message(node(MESSAGE))

    assert message.id == "AAMk-a_b="
    assert message.version == "CQAA"
    assert message.conversation_id == "AAQk-c="
    assert message.html == "<p>Hello</p>"
    assert message.text is None
    assert message.received_at == datetime(2026, 11, 24, 9, 12, tzinfo=UTC)
    assert message.sent_at is None
    assert message.importance is Importance.HIGH
    assert message.is_read
    assert message.sender == MailAddress("dana.okafor@harbourvale.example", "Dana Okafor")
    assert message.to == (
        MailAddress("tom.ellis@harbourvale.example", "Tom Ellis"),
        MailAddress("", "Old entry"),
    )
    assert [(each.id, each.name, each.size_bytes) for each in message.attachments] == [
        ("AT-1_=", "a.csv", 12),
        ("AT2", "Fwd", 900),
    ]
    assert message.headers == {"Received": ("by a", "by b")}


@pytest.mark.parametrize(
    "xml",
    [
        "<t:Message/>",
        '<t:Message><t:ItemId Id=""/></t:Message>',
        '<t:Message><t:ItemId Id="a"/><t:DateTimeReceived>soon</t:DateTimeReceived></t:Message>',
    ],
)
def test_message_of_another_shape_is_a_broken_contract(xml: str) -> None:
    with pytest.raises(ProviderContractBroken):
        mail.message_summary(node(xml))


def test_folders_are_known_by_their_distinguished_name() -> None:
    inbox = node(
        '<t:Folder><t:FolderId Id="f"/><t:DisplayName>Posteingang</t:DisplayName>'
        "<t:DistinguishedFolderId>inbox</t:DistinguishedFolderId></t:Folder>"
    )
    own = node('<t:Folder><t:FolderId Id="f"/><t:DisplayName>Archive</t:DisplayName></t:Folder>')

    assert mail.folder(inbox, top_level=True).well_known is WellKnownFolder.INBOX
    assert mail.folder(own, top_level=True).well_known is WellKnownFolder.ARCHIVE
    assert mail.folder(own, top_level=False).well_known is None


@pytest.mark.parametrize(
    ("folder_class", "is_mail"),
    [
        ("IPF.Note", True),
        ("", True),
        ("IPF.Note.Custom", True),
        ("IPF.Appointment", False),
        ("IPF.Notes", False),
    ],
)
def test_only_mail_folders_are_mail_folders(folder_class: str, is_mail: bool) -> None:
    folder = node(f"<t:Folder><t:FolderClass>{folder_class}</t:FolderClass></t:Folder>")

    assert mail.is_mail_folder(folder) is is_mail


def test_hidden_folders_are_told_by_their_attribute() -> None:
    def folder(value: str) -> Element:
        return node(
            "<t:Folder><t:ExtendedProperty>"
            '<t:ExtendedFieldURI PropertyTag="0x10f4" PropertyType="Boolean"/>'
            f"<t:Value>{value}</t:Value></t:ExtendedProperty></t:Folder>"
        )

    assert is_hidden(folder("true"))
    assert not is_hidden(folder("false"))
    assert not is_hidden(node("<t:Folder/>"))


def event_xml(start: str, end: str, *, zone: str = "", more: str = "", all_day: bool = False) -> Element:
    zone_id = f"<t:StartTimeZoneId>{zone}</t:StartTimeZoneId>" if zone else ""
    return node(
        f'<t:CalendarItem><t:ItemId Id="e" ChangeKey="1"/><t:Start>{start}</t:Start><t:End>{end}</t:End>'
        f"<t:IsAllDayEvent>{str(all_day).lower()}</t:IsAllDayEvent>{more}{zone_id}</t:CalendarItem>"
    )


@pytest.mark.parametrize(
    ("zone", "start", "end"),
    [
        ("W. Europe Standard Time", "2026-12-04T23:00:00Z", "2026-12-05T23:00:00Z"),
        ("Pacific Standard Time", "2026-12-05T08:00:00Z", "2026-12-06T08:00:00Z"),
        ("Tonga Standard Time", "2026-12-04T11:00:00Z", "2026-12-05T11:00:00Z"),
        ("Dateline Standard Time", "2026-12-05T12:00:00Z", "2026-12-06T12:00:00Z"),
        ("UTC", "2026-12-05T00:00:00Z", "2026-12-06T00:00:00Z"),
        ("", "2026-12-04T23:00:00Z", "2026-12-05T23:00:00Z"),
        ("", "2026-12-05T08:00:00Z", "2026-12-06T08:00:00Z"),
        ("A zone nobody knows", "2026-12-05T08:00:00Z", "2026-12-06T08:00:00Z"),
    ],
)
def test_all_day_event_is_a_whole_day_in_utc(zone: str, start: str, end: str) -> None:
    event = calendar.event(event_xml(start, end, zone=zone, all_day=True), calendar_id=None, series_id=None)

    assert event.starts_at == datetime(2026, 12, 5, tzinfo=UTC)
    assert event.ends_at == datetime(2026, 12, 6, tzinfo=UTC)


def test_event_is_read_whole() -> None:
    more = """
      <t:LegacyFreeBusyStatus>OOF</t:LegacyFreeBusyStatus><t:Location>Room 2</t:Location>
      <t:IsMeeting>true</t:IsMeeting><t:IsCancelled>true</t:IsCancelled>
      <t:CalendarItemType>Exception</t:CalendarItemType><t:MyResponseType>Tentative</t:MyResponseType>
      <t:Organizer><t:Mailbox><t:Name>Dana Okafor</t:Name>
        <t:EmailAddress>dana.okafor@harbourvale.example</t:EmailAddress></t:Mailbox></t:Organizer>
      <t:RequiredAttendees><t:Attendee><t:Mailbox><t:EmailAddress>a@b.example</t:EmailAddress></t:Mailbox>
        <t:ResponseType>Accept</t:ResponseType></t:Attendee></t:RequiredAttendees>
      <t:Resources><t:Attendee><t:Mailbox><t:EmailAddress>room@b.example</t:EmailAddress></t:Mailbox>
        <t:ResponseType>Unknown</t:ResponseType></t:Attendee></t:Resources>
      <t:JoinOnlineMeetingUrl>https://meet.example/1</t:JoinOnlineMeetingUrl>
    """
    event = calendar.event(
        event_xml("2026-12-01T09:00:00+01:00", "2026-12-01T10:00:00+01:00", more=more),
        calendar_id="c",
        series_id="s",
    )

    assert event.kind is EventKind.EXCEPTION
    assert event.series_id == "s"
    assert event.starts_at == datetime(2026, 12, 1, 8, tzinfo=UTC)
    assert event.show_as is ShowAs.OUT_OF_OFFICE
    assert event.is_cancelled
    assert not event.is_organizer
    assert event.my_response is Response.TENTATIVE
    assert [(each.who.address, each.kind, each.response) for each in event.attendees] == [
        ("a@b.example", AttendeeKind.REQUIRED, Response.ACCEPTED),
        ("room@b.example", AttendeeKind.RESOURCE, Response.NONE),
    ]
    assert event.online_meeting_url == "https://meet.example/1"


def test_ids_go_out_safe_and_come_back_as_they_were() -> None:
    original = "AAMkADM2/ODI+5MmYz=="

    assert our_id(original) == "AAMkADM2-ODI_5MmYz=="
    assert ews_id(our_id(original)) == original
    assert ews_id(original) == original
    for wrong in ("", "a b", 'a"/>', "x" * 1025, "é"):
        with pytest.raises(NotFound):
            ews_id(wrong)
