"""Meetings and series: made, shown, changed, answered, cancelled."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from m365_emulator.world.mailbox import CalendarEvent

DANA = "dana.okafor@harbourvale.example"
ATTENDEE = (
    "<t:RequiredAttendees><t:Attendee><t:Mailbox><t:EmailAddress>dana.okafor@harbourvale.example</t:EmailAddress>"
    "</t:Mailbox></t:Attendee></t:RequiredAttendees>"
)
WEEKLY = (
    "<t:Recurrence><t:WeeklyRecurrence><t:Interval>1</t:Interval><t:DaysOfWeek>Monday Friday</t:DaysOfWeek>"
    "</t:WeeklyRecurrence><t:NumberedRecurrence><t:StartDate>2027-01-04</t:StartDate>"
    "<t:NumberOfOccurrences>6</t:NumberOfOccurrences></t:NumberedRecurrence></t:Recurrence>"
)
BERLIN = '<t:StartTimeZone Id="W. Europe Standard Time"/><t:EndTimeZone Id="W. Europe Standard Time"/>'


def event(
    subject: str = "Review",
    *,
    start: str = "2027-01-04T10:00:00",
    end: str = "2027-01-04T11:00:00",
    before: str = "",
    attendees: str = "",
    recurrence: str = "",
    zones: str = BERLIN,
) -> str:
    return (
        f"<t:CalendarItem><t:Subject>{subject}</t:Subject><t:Start>{start}</t:Start><t:End>{end}</t:End>{before}"
        f"{attendees}{recurrence}{zones}</t:CalendarItem>"
    )


def create(client, inner: str, invitations: str = "SendToAllAndSaveCopy", **options) -> dict[str, str]:
    response = client.call(
        f'<m:CreateItem SendMeetingInvitations="{invitations}"><m:Items>{inner}</m:Items></m:CreateItem>',
        **options,
    )
    assert client.codes(response) == ["NoError"], client.text(response, ".//m:MessageText")
    return dict(client.one(response, ".//t:ItemId").attrib)


def view(client, start: str = "2027-01-01T00:00:00Z", end: str = "2027-02-01T00:00:00Z", **options):
    return client.call(
        '<m:FindItem Traversal="Shallow"><m:ItemShape><t:BaseShape>Default</t:BaseShape></m:ItemShape>'
        f'<m:CalendarView StartDate="{start}" EndDate="{end}"/>'
        '<m:ParentFolderIds><t:DistinguishedFolderId Id="calendar"/></m:ParentFolderIds></m:FindItem>',
        **options,
    )


def starts(client, response, subject: str = "Review") -> list[str]:
    return [
        client.text(item, "t:Start")
        for item in client.all(response, ".//t:Items/*")
        if client.text(item, "t:Subject") == subject
    ]


def update(client, item_id: str, changes: str, notices: str = "SendToAllAndSaveCopy", **options):
    return client.call(
        f'<m:UpdateItem ConflictResolution="AlwaysOverwrite" SendMeetingInvitationsOrCancellations="{notices}">'
        f'<m:ItemChanges><t:ItemChange><t:ItemId Id="{item_id}"/><t:Updates>{changes}</t:Updates></t:ItemChange>'
        "</m:ItemChanges></m:UpdateItem>",
        **options,
    )


def set_location(text: str) -> str:
    return (
        '<t:SetItemField><t:FieldURI FieldURI="calendar:Location"/><t:CalendarItem>'
        f"<t:Location>{text}</t:Location></t:CalendarItem></t:SetItemField>"
    )


def delete(
    client, item_id: str, cancellations: str = ' SendMeetingCancellations="SendToAllAndSaveCopy"', **options
):
    return client.call(
        f'<m:DeleteItem DeleteType="MoveToDeletedItems"{cancellations}><m:ItemIds><t:ItemId Id="{item_id}"/></m:ItemIds>'
        "</m:DeleteItem>",
        **options,
    )


def occurrence_ids(client) -> list[str]:
    return [
        client.one(item, "t:ItemId").get("Id")
        for item in client.all(view(client), ".//t:Items/*")
        if client.text(item, "t:Subject") == "Review"
    ]


def respond(
    client, kind: str, reference: str, disposition: str = "SendAndSaveCopy", extra: str = "", **options
):
    return client.call(
        f'<m:CreateItem MessageDisposition="{disposition}"><m:Items><t:{kind}><t:ReferenceItemId Id="{reference}"/>{extra}'
        f"</t:{kind}></m:Items></m:CreateItem>",
        **options,
    )


def request_of(client, address: str = DANA, subject: str = "Review"):
    """Return the id of the meeting request that lies in somebody's inbox."""
    mailbox = client.mailbox(address)
    found = [
        item
        for item in mailbox.well_known("inbox").items.values()
        if item.subject == subject and item.item_class == "IPM.Schedule.Meeting.Request"
    ]
    return mailbox.ids.ews_id(found[-1].folder.number, found[-1].entry)


def test_local_times_are_read_in_the_zone_given(client):
    ids = create(client, event())
    item = client.get_item(ids["Id"])
    assert client.text(item, "t:Start") == "2027-01-04T09:00:00Z"
    assert client.text(item, "t:StartTimeZoneId") == "W. Europe Standard Time"
    assert client.one(item, "t:StartTimeZone").get("Id") == "W. Europe Standard Time"
    assert client.text(item, "t:CalendarItemType") == "Single"


def test_local_times_without_zone_are_read_in_the_zone_of_the_header(client):
    header = '<t:TimeZoneContext><t:TimeZoneDefinition Id="Tokyo Standard Time"/></t:TimeZoneContext>'
    ids = create(client, event(zones=""), header=header)
    assert client.text(client.get_item(ids["Id"]), "t:Start") == "2027-01-04T01:00:00Z"


def test_an_unknown_zone_is_refused(client):
    header = '<t:TimeZoneContext><t:TimeZoneDefinition Id="Atlantis Standard Time"/></t:TimeZoneContext>'
    response = client.call(
        f'<m:CreateItem SendMeetingInvitations="SendToNone"><m:Items>{event(zones="")}</m:Items></m:CreateItem>',
        header=header,
    )
    assert client.codes(response) == ["ErrorTimeZone"]


def test_an_all_day_event_covers_whole_days_of_its_zone(client):
    ids = create(client, event(before="<t:IsAllDayEvent>true</t:IsAllDayEvent>"))
    item = client.get_item(ids["Id"])
    assert client.text(item, "t:Start") == "2027-01-03T23:00:00Z"
    assert client.text(item, "t:End") == "2027-01-04T23:00:00Z"


def test_the_end_cannot_be_before_the_start(client):
    response = client.call(
        '<m:CreateItem SendMeetingInvitations="SendToNone"><m:Items>'
        f"{event(end='2027-01-04T09:00:00')}</m:Items></m:CreateItem>"
    )
    assert client.codes(response) == ["ErrorCalendarEndDateIsEarlierThanStartDate"]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("<m:CreateItem><m:Items>{event}</m:Items></m:CreateItem>", "ErrorSendMeetingInvitationsRequired"),
        (
            '<m:CreateItem SendMeetingInvitations="SendToNone"><m:SavedItemFolderId><t:DistinguishedFolderId Id="inbox"/>'
            "</m:SavedItemFolderId><m:Items>{event}</m:Items></m:CreateItem>",
            "ErrorCannotCreateCalendarItemInNonCalendarFolder",
        ),
    ],
)
def test_calendar_items_need_their_own_attribute_and_folder(client, body, code):
    assert client.codes(client.call(body.format(event=event()))) == [code]


def test_updates_and_deletions_of_events_need_to_say_whom_to_tell(client):
    ids = create(client, event())
    changed = client.call(
        '<m:UpdateItem ConflictResolution="AlwaysOverwrite"><m:ItemChanges><t:ItemChange>'
        f'<t:ItemId Id="{ids["Id"]}"/><t:Updates>{set_location("x")}</t:Updates></t:ItemChange></m:ItemChanges>'
        "</m:UpdateItem>"
    )
    assert client.codes(changed) == ["ErrorSendMeetingInvitationsOrCancellationsRequired"]
    assert client.codes(delete(client, ids["Id"], "")) == ["ErrorSendMeetingCancellationsRequired"]


def test_invitations_reach_the_attendee_only_when_sent(client):
    create(client, event("Silent", attendees=ATTENDEE), "SendToNone")
    assert (
        client.mailbox(DANA).find_event_by_uid(next(iter(client.mailbox().calendar.items.values())).uid)
        is None
    )
    ids = create(client, event(attendees=ATTENDEE))
    item = client.get_item(ids["Id"])
    assert client.text(item, "t:IsMeeting") == "true"
    assert client.text(item, "t:MyResponseType") == "Organizer"
    assert client.text(item, "t:RequiredAttendees/t:Attendee/t:ResponseType") == "Unknown"
    assert client.mailbox(DANA).find_event_by_uid(client.text(item, "t:UID")) is not None


def test_a_meeting_saved_silently_is_sent_by_a_later_update(client):
    ids = create(client, event(attendees=ATTENDEE), "SendToNone")
    assert client.text(client.get_item(ids["Id"]), "t:MeetingRequestWasSent") == "false"
    assert client.codes(update(client, ids["Id"], set_location("Room Vale"))) == ["NoError"]
    item = client.get_item(ids["Id"])
    assert client.text(item, "t:MeetingRequestWasSent") == "true"
    assert client.mailbox(DANA).find_event_by_uid(client.text(item, "t:UID")).location == "Room Vale"


def test_a_request_shows_its_meeting_and_leads_to_the_calendar(client):
    create(client, event(attendees=ATTENDEE, before="<t:Location>Room Harbour</t:Location>"))
    request = client.get_item(request_of(client), as_user=DANA)
    assert request.tag.endswith("}MeetingRequest")
    assert client.text(request, "t:MeetingRequestType") == "NewMeetingRequest"
    assert client.text(request, "t:Start") == "2027-01-04T09:00:00Z"
    assert client.text(request, "t:Location") == "Room Harbour"
    associated = client.one(request, "t:AssociatedCalendarItemId").get("Id")
    meeting = client.get_item(associated, as_user=DANA)
    assert client.text(meeting, "t:MyResponseType") == "NoResponseReceived"
    assert client.text(meeting, "t:Organizer/t:Mailbox/t:EmailAddress") == "tom.ellis@harbourvale.example"


@pytest.mark.parametrize(
    ("kind", "answer"),
    [("AcceptItem", "Accept"), ("TentativelyAcceptItem", "Tentative"), ("DeclineItem", "Decline")],
)
def test_an_answer_reaches_the_organizer(client, kind, answer):
    ids = create(client, event(attendees=ATTENDEE))
    response = respond(client, kind, request_of(client), as_user=DANA)
    assert client.codes(response) == ["NoError"]
    item = client.get_item(ids["Id"])
    assert client.text(item, "t:RequiredAttendees/t:Attendee/t:ResponseType") == answer
    reply = next(
        item
        for item in client.mailbox().well_known("inbox").items.values()
        if item.item_class.startswith("IPM.Schedule.Meeting.Resp")
    )
    shown = client.get_item(client.mailbox().ids.ews_id(reply.folder.number, reply.entry))
    assert shown.tag.endswith("}MeetingResponse")
    assert client.text(shown, "t:ResponseType") == answer
    on_calendar = client.mailbox(DANA).find_event_by_uid(client.text(item, "t:UID"))
    if answer == "Decline":
        assert on_calendar is None or on_calendar.folder.well_known == "deleteditems"
    else:
        assert (
            client.text(
                client.get_item(client.one(response, ".//t:ItemId").get("Id"), as_user=DANA),
                "t:MyResponseType",
            )
            == answer
        )


def test_a_new_time_can_be_proposed(client):
    ids = create(client, event(attendees=ATTENDEE))
    respond(
        client,
        "TentativelyAcceptItem",
        request_of(client),
        extra="<t:ProposedStart>2027-01-05T09:00:00Z</t:ProposedStart><t:ProposedEnd>2027-01-05T10:00:00Z</t:ProposedEnd>",
        as_user=DANA,
    )
    attendee = client.one(client.get_item(ids["Id"]), "t:RequiredAttendees/t:Attendee")
    assert client.text(attendee, "t:ProposedStart") == "2027-01-05T09:00:00Z"


def test_the_organizer_cannot_answer_the_own_meeting(client):
    ids = create(client, event(attendees=ATTENDEE))
    assert client.codes(respond(client, "AcceptItem", ids["Id"])) == ["ErrorCalendarIsOrganizerForAccept"]


def test_only_the_organizer_can_cancel(client):
    ids = create(client, event(attendees=ATTENDEE))
    uid = client.text(client.get_item(ids["Id"]), "t:UID")
    copy = client.mailbox(DANA).find_event_by_uid(uid)
    copy_id = client.mailbox(DANA).ids.ews_id(copy.folder.number, copy.entry)
    assert client.codes(respond(client, "CancelCalendarItem", copy_id, as_user=DANA)) == [
        "ErrorCalendarIsNotOrganizer"
    ]
    assert client.codes(respond(client, "CancelCalendarItem", ids["Id"])) == ["NoError"]
    assert client.text(client.get_item(copy_id, as_user=DANA), "t:IsCancelled") == "true"
    cancellation = next(
        item
        for item in client.mailbox(DANA).well_known("inbox").items.values()
        if item.item_class == "IPM.Schedule.Meeting.Canceled"
    )
    cancellation_id = client.mailbox(DANA).ids.ews_id(cancellation.folder.number, cancellation.entry)
    assert client.get_item(cancellation_id, as_user=DANA).tag.endswith("}MeetingCancellation")
    assert client.codes(respond(client, "RemoveItem", cancellation_id, as_user=DANA)) == ["NoError"]
    assert copy.folder.well_known == "deleteditems"


def test_a_series_is_one_master_and_its_occurrences_in_a_view(client):
    ids = create(client, event(recurrence=WEEKLY))
    master = client.get_item(ids["Id"])
    assert client.text(master, "t:CalendarItemType") == "RecurringMaster"
    assert client.text(master, "t:Recurrence/t:WeeklyRecurrence/t:DaysOfWeek") == "Monday Friday"
    assert client.text(master, "t:FirstOccurrence/t:Start") == "2027-01-04T09:00:00Z"
    assert client.text(master, "t:LastOccurrence/t:Start") == "2027-01-22T09:00:00Z"
    response = view(client)
    assert starts(client, response) == [f"2027-01-{day:02}T09:00:00Z" for day in (4, 8, 11, 15, 18, 22)]
    kinds = {
        client.text(item, "t:CalendarItemType")
        for item in client.all(response, ".//t:Items/*")
        if client.text(item, "t:Subject") == "Review"
    }
    assert kinds == {"Occurrence"}
    assert ids["Id"] in client.find_ids("calendar")


def test_occurrences_are_reached_by_index_and_masters_by_occurrence(client):
    ids = create(client, event(recurrence=WEEKLY))
    response = client.call(
        "<m:GetItem><m:ItemShape><t:BaseShape>AllProperties</t:BaseShape></m:ItemShape><m:ItemIds>"
        f'<t:OccurrenceItemId RecurringMasterId="{ids["Id"]}" InstanceIndex="2"/>'
        f'<t:OccurrenceItemId RecurringMasterId="{ids["Id"]}" InstanceIndex="7"/>'
        f'<t:RecurringMasterItemId OccurrenceId="{occurrence_ids(client)[3]}"/></m:ItemIds></m:GetItem>'
    )
    assert client.codes(response) == [
        "NoError",
        "ErrorCalendarOccurrenceIndexIsOutOfRecurrenceRange",
        "NoError",
    ]
    second, master = client.all(response, ".//m:Items/*")
    assert client.text(second, "t:OriginalStart") == "2027-01-08T09:00:00Z"
    assert client.one(master, "t:ItemId").get("Id") == ids["Id"]


def test_changed_and_deleted_occurrences_show_on_the_master(client):
    ids = create(client, event(recurrence=WEEKLY))
    occurrences = occurrence_ids(client)
    assert client.codes(update(client, occurrences[1], set_location("Reception"), "SendToNone")) == [
        "NoError"
    ]
    assert client.codes(delete(client, occurrences[2])) == ["NoError"]
    master = client.get_item(ids["Id"])
    assert client.text(master, "t:ModifiedOccurrences/t:Occurrence/t:OriginalStart") == "2027-01-08T09:00:00Z"
    assert client.one(master, "t:ModifiedOccurrences/t:Occurrence/t:ItemId").get("Id") == occurrences[1]
    assert client.text(master, "t:DeletedOccurrences/t:DeletedOccurrence/t:Start") == "2027-01-11T09:00:00Z"
    changed = client.get_item(occurrences[1])
    assert client.text(changed, "t:CalendarItemType") == "Exception"
    assert client.text(changed, "t:Location") == "Reception"
    assert len(starts(client, view(client))) == 5
    response = client.call(
        "<m:GetItem><m:ItemShape><t:BaseShape>IdOnly</t:BaseShape></m:ItemShape><m:ItemIds>"
        f'<t:OccurrenceItemId RecurringMasterId="{ids["Id"]}" InstanceIndex="3"/></m:ItemIds></m:GetItem>'
    )
    assert client.codes(response) == ["ErrorCalendarOccurrenceIsDeletedFromRecurrence"]


def test_an_occurrence_cannot_jump_over_its_neighbour(client):
    create(client, event(recurrence=WEEKLY))
    move = (
        '<t:SetItemField><t:FieldURI FieldURI="calendar:Start"/><t:CalendarItem><t:Start>2027-01-12T09:00:00Z</t:Start>'
        "</t:CalendarItem></t:SetItemField>"
        '<t:SetItemField><t:FieldURI FieldURI="calendar:End"/><t:CalendarItem><t:End>2027-01-12T10:00:00Z</t:End>'
        "</t:CalendarItem></t:SetItemField>"
    )
    response = update(client, occurrence_ids(client)[1], move, "SendToNone")
    assert client.codes(response) == ["ErrorOccurrenceCrossingBoundary"]


def test_single_occurrences_cannot_be_moved_to_another_folder(client):
    create(client, event(recurrence=WEEKLY))
    response = client.call(
        '<m:MoveItem><m:ToFolderId><t:DistinguishedFolderId Id="deleteditems"/></m:ToFolderId><m:ItemIds>'
        f'<t:ItemId Id="{occurrence_ids(client)[0]}"/></m:ItemIds></m:MoveItem>'
    )
    assert client.codes(response) == ["ErrorCalendarCannotMoveOrCopyOccurrence"]


@pytest.mark.parametrize(
    "pattern",
    [
        "<t:DailyRecurrence><t:Interval>2</t:Interval></t:DailyRecurrence>",
        "<t:WeeklyRecurrence><t:Interval>1</t:Interval><t:DaysOfWeek>Weekday</t:DaysOfWeek></t:WeeklyRecurrence>",
        "<t:AbsoluteMonthlyRecurrence><t:Interval>1</t:Interval><t:DayOfMonth>31</t:DayOfMonth></t:AbsoluteMonthlyRecurrence>",
        "<t:RelativeMonthlyRecurrence><t:Interval>1</t:Interval><t:DaysOfWeek>WeekendDay</t:DaysOfWeek>"
        "<t:DayOfWeekIndex>Last</t:DayOfWeekIndex></t:RelativeMonthlyRecurrence>",
        "<t:AbsoluteYearlyRecurrence><t:DayOfMonth>4</t:DayOfMonth><t:Month>January</t:Month></t:AbsoluteYearlyRecurrence>",
        "<t:RelativeYearlyRecurrence><t:DaysOfWeek>Monday</t:DaysOfWeek><t:DayOfWeekIndex>First</t:DayOfWeekIndex>"
        "<t:Month>January</t:Month></t:RelativeYearlyRecurrence>",
    ],
)
@pytest.mark.parametrize(
    "limits",
    [
        "<t:NoEndRecurrence><t:StartDate>2027-01-04</t:StartDate></t:NoEndRecurrence>",
        "<t:EndDateRecurrence><t:StartDate>2027-01-04</t:StartDate><t:EndDate>2029-01-04</t:EndDate></t:EndDateRecurrence>",
        "<t:NumberedRecurrence><t:StartDate>2027-01-04</t:StartDate><t:NumberOfOccurrences>3</t:NumberOfOccurrences>"
        "</t:NumberedRecurrence>",
    ],
)
def test_every_pattern_and_range_comes_back_as_it_was_given(client, pattern, limits):
    from lxml import etree

    ids = create(client, event(recurrence=f"<t:Recurrence>{pattern}{limits}</t:Recurrence>"))
    shown = client.one(client.get_item(ids["Id"]), "t:Recurrence")
    texts = {etree.QName(node).localname: node.text for node in shown.iter() if node.text}
    for part in (pattern, limits):
        root = etree.fromstring(f'<r xmlns:t="{client.one(shown, "*").tag[1:].split("}")[0]}">{part}</r>')
        for node in root.iter():
            if not node.text:
                continue
            name = etree.QName(node).localname
            if "WeeklyRecurrence" in part and name == "DaysOfWeek":
                assert texts[name] == "Monday Tuesday Wednesday Thursday Friday"
            else:
                assert texts[name] == node.text


@pytest.mark.parametrize(
    ("recurrence", "code"),
    [
        (WEEKLY.replace("Monday Friday", "Someday"), "ErrorCalendarInvalidDayForWeeklyRecurrence"),
        (WEEKLY.replace(">6<", ">0<"), "ErrorCalendarInvalidRecurrence"),
        (WEEKLY.replace("2027-01-04", "soon"), "ErrorCalendarInvalidRecurrence"),
        ("<t:Recurrence/>", "ErrorCalendarInvalidRecurrence"),
        (
            WEEKLY.replace("NumberedRecurrence", "EndDateRecurrence").replace(
                "<t:NumberOfOccurrences>6</t:NumberOfOccurrences>", "<t:EndDate>2026-01-01</t:EndDate>"
            ),
            "ErrorCalendarEndDateIsEarlierThanStartDate",
        ),
    ],
)
def test_recurrences_that_make_no_series_are_refused(client, recurrence, code):
    response = client.call(
        f'<m:CreateItem SendMeetingInvitations="SendToNone"><m:Items>{event(recurrence=recurrence)}</m:Items></m:CreateItem>'
    )
    assert client.codes(response) == [code]


@pytest.mark.parametrize(
    ("start", "end", "code"),
    [
        ("2027-01-01T00:00:00Z", "2029-06-01T00:00:00Z", "ErrorCalendarViewRangeTooBig"),
        ("2027-02-01T00:00:00Z", "2027-01-01T00:00:00Z", "ErrorCalendarEndDateIsEarlierThanStartDate"),
        ("soon", "later", "ErrorInvalidArgument"),
    ],
)
def test_views_have_their_limits(client, start, end, code):
    assert client.codes(view(client, start, end)) == [code]


def test_a_view_is_cut_at_the_number_asked_for(client):
    create(client, event(recurrence=WEEKLY))
    response = client.call(
        '<m:FindItem Traversal="Shallow"><m:ItemShape><t:BaseShape>IdOnly</t:BaseShape></m:ItemShape>'
        '<m:CalendarView StartDate="2027-01-01T00:00:00Z" EndDate="2027-02-01T00:00:00Z" MaxEntriesReturned="2"/>'
        '<m:ParentFolderIds><t:DistinguishedFolderId Id="calendar"/></m:ParentFolderIds></m:FindItem>'
    )
    root = client.one(response, ".//m:RootFolder")
    assert root.get("IncludesLastItemInRange") == "false"
    assert len(client.all(root, "t:Items/*")) == 2


DAILY_FOR_YEARS = (
    "<t:Recurrence><t:DailyRecurrence><t:Interval>1</t:Interval></t:DailyRecurrence>"
    "<t:NoEndRecurrence><t:StartDate>2027-01-04</t:StartDate></t:NoEndRecurrence></t:Recurrence>"
)


@pytest.mark.parametrize(
    ("wanted", "code"),
    [
        ("", "ErrorExceededFindCountLimit"),
        ('MaxEntriesReturned="1001"', "ErrorExceededFindCountLimit"),
        ('MaxEntriesReturned="1000"', "NoError"),
    ],
)
def test_a_view_of_more_than_can_be_found_is_refused_rather_than_cut(client, wanted, code):
    for _ in range(2):
        create(client, event(recurrence=DAILY_FOR_YEARS))
    response = client.call(
        '<m:FindItem Traversal="Shallow"><m:ItemShape><t:BaseShape>IdOnly</t:BaseShape></m:ItemShape>'
        f'<m:CalendarView {wanted} StartDate="2027-01-01T00:00:00Z" EndDate="2028-12-01T00:00:00Z"/>'
        '<m:ParentFolderIds><t:DistinguishedFolderId Id="calendar"/></m:ParentFolderIds></m:FindItem>'
    )

    assert client.codes(response) == [code]


def test_touching_events_are_outside_a_view(client):
    create(client, event())
    assert starts(client, view(client, "2027-01-04T10:00:00Z", "2027-01-04T12:00:00Z")) == []
    assert starts(client, view(client, "2027-01-04T08:00:00Z", "2027-01-04T09:00:00Z")) == []
    assert starts(client, view(client, "2027-01-04T09:59:00Z", "2027-01-04T12:00:00Z")) == [
        "2027-01-04T09:00:00Z"
    ]


def test_a_mail_folder_has_no_calendar_view(client):
    response = client.call(
        '<m:FindItem Traversal="Shallow"><m:ItemShape><t:BaseShape>IdOnly</t:BaseShape></m:ItemShape>'
        '<m:CalendarView StartDate="2027-01-01T00:00:00Z" EndDate="2027-02-01T00:00:00Z"/>'
        '<m:ParentFolderIds><t:DistinguishedFolderId Id="inbox"/></m:ParentFolderIds></m:FindItem>'
    )
    assert client.codes(response) == ["ErrorCalendarFolderIsInvalidForCalendarView"]


TIME_ZONE = (
    "<t:TimeZone><t:Bias>-60</t:Bias><t:StandardTime><t:Bias>0</t:Bias><t:Time>03:00:00</t:Time><t:DayOrder>5</t:DayOrder>"
    "<t:Month>10</t:Month><t:DayOfWeek>Sunday</t:DayOfWeek></t:StandardTime><t:DaylightTime><t:Bias>-60</t:Bias>"
    "<t:Time>02:00:00</t:Time><t:DayOrder>5</t:DayOrder><t:Month>3</t:Month><t:DayOfWeek>Sunday</t:DayOfWeek>"
    "</t:DaylightTime></t:TimeZone>"
)


def availability(
    *addresses: str, start: str, end: str, interval: str = "60", requested: str = "DetailedMerged"
) -> str:
    people = "".join(
        f"<t:MailboxData><t:Email><t:Address>{address}</t:Address></t:Email><t:AttendeeType>Required</t:AttendeeType>"
        "<t:ExcludeConflicts>false</t:ExcludeConflicts></t:MailboxData>"
        for address in addresses
    )
    return (
        f"<m:GetUserAvailabilityRequest>{TIME_ZONE}<m:MailboxDataArray>{people}</m:MailboxDataArray><t:FreeBusyViewOptions>"
        f"<t:TimeWindow><t:StartTime>{start}</t:StartTime><t:EndTime>{end}</t:EndTime></t:TimeWindow>"
        f"<t:MergedFreeBusyIntervalInMinutes>{interval}</t:MergedFreeBusyIntervalInMinutes>"
        f"<t:RequestedView>{requested}</t:RequestedView></t:FreeBusyViewOptions></m:GetUserAvailabilityRequest>"
    )


def test_free_and_busy_times_are_told_in_the_zone_of_the_request(client):
    for mailbox in (client.mailbox(), client.mailbox(DANA)):
        mailbox.calendar.items.clear()
    create(
        client, event("Summer", start="2027-07-05T10:00:00", end="2027-07-05T12:00:00", attendees=ATTENDEE)
    )
    response = client.call(
        availability(
            "tom.ellis@harbourvale.example",
            DANA,
            "nobody@harbourvale.example",
            start="2027-07-05T08:00:00",
            end="2027-07-05T14:00:00",
        )
    )
    mine, hers, nobody = client.all(response, ".//m:FreeBusyResponse")
    assert client.text(mine, ".//t:MergedFreeBusy") == "002200"
    assert client.text(mine, ".//t:CalendarEvent/t:StartTime") == "2027-07-05T10:00:00"
    assert client.text(mine, ".//t:CalendarEventDetails/t:Subject") == "Summer"
    assert client.text(hers, ".//t:MergedFreeBusy") == "001100"
    assert hers.find(".//{*}CalendarEventDetails") is None
    assert client.text(nobody, ".//m:ResponseCode") == "ErrorMailRecipientNotFound"
    assert client.text(mine, ".//t:WorkingPeriod/t:StartTimeInMinutes") == "480"


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"start": "2027-01-01T00:00:00", "end": "2027-03-01T00:00:00"}, "ErrorTimeIntervalTooBig"),
        ({"start": "2027-01-02T00:00:00", "end": "2027-01-01T00:00:00"}, "ErrorInvalidTimeInterval"),
        ({"start": "0001-01-03T00:00:00", "end": "0001-01-04T00:00:00"}, "ErrorInvalidTimeInterval"),
        (
            {"start": "2027-01-01T00:00:00", "end": "2027-01-02T00:00:00", "interval": "4"},
            "ErrorInvalidMergedFreeBusyInterval",
        ),
        (
            {"start": "2027-01-01T00:00:00", "end": "2027-01-02T00:00:00", "requested": "All"},
            "ErrorInvalidFreeBusyViewType",
        ),
    ],
)
def test_windows_of_free_and_busy_times_have_limits(client, options, code):
    assert client.codes(client.call(availability(DANA, **options))) == [code]


def test_events_of_the_store_are_aware_and_in_utc(client):
    ids = create(client, event())
    item = next(
        item
        for item in client.mailbox().calendar.items.values()
        if client.mailbox().ids.ews_id(item.folder.number, item.entry) == ids["Id"]
    )
    assert isinstance(item, CalendarEvent)
    assert item.start == datetime(2027, 1, 4, 9, tzinfo=UTC)


@pytest.mark.parametrize(("invitations", "kept"), [("SendToAllAndSaveCopy", 1), ("SendOnlyToAll", 0)])
def test_a_copy_of_the_invitation_is_kept_only_when_asked_for(client, invitations, kept):
    ids = create(client, event(attendees=ATTENDEE), invitations)
    sent = client.mailbox().well_known("sentitems").items

    def copies() -> int:
        return sum(item.item_class.startswith("IPM.Schedule") for item in sent.values())

    assert copies() == kept
    assert request_of(client)
    update(client, ids["Id"], set_location("Room Vale"), "SendToAllAndSaveCopy" if kept else "SendOnlyToAll")
    assert copies() == 2 * kept
    delete(client, ids["Id"], f' SendMeetingCancellations="{invitations}"')
    assert copies() == 3 * kept


@pytest.mark.parametrize(
    ("start", "end", "code"),
    [
        ("2027-01-01T00:00:00Z", "2127-01-01T00:00:00Z", "ErrorCalendarDurationIsTooLong"),
        ("0001-01-01T12:00:00Z", "0001-01-01T13:00:00Z", "ErrorValueOutOfRange"),
        ("9999-12-31T23:00:00", "9999-12-31T23:59:00", "ErrorValueOutOfRange"),
    ],
)
def test_events_outside_of_what_exchange_stores_are_refused(client, start, end, code):
    response = client.call(
        f'<m:CreateItem SendMeetingInvitations="SendToNone"><m:Items>{event(start=start, end=end)}</m:Items></m:CreateItem>'
    )
    assert client.codes(response) == [code]


@pytest.mark.parametrize(
    ("day", "code"),
    [("0001-01-01", "ErrorCalendarOutOfRange"), ("9999-12-31", "ErrorRecurrenceEndDateTooBig")],
)
def test_series_outside_of_what_exchange_stores_are_refused(client, day, code):
    response = client.call(
        '<m:CreateItem SendMeetingInvitations="SendToNone"><m:Items>'
        f"{event(recurrence=WEEKLY.replace('2027-01-04', day))}</m:Items></m:CreateItem>"
    )
    assert client.codes(response) == [code]


@pytest.mark.parametrize("year", ["0001", "4500"])
def test_a_view_of_a_year_far_away_is_answered(client, year):
    create(client, event(recurrence=WEEKLY))
    response = view(client, f"{year}-01-01T00:00:00Z", f"{year}-12-01T00:00:00Z")
    assert client.codes(response) == [{"0001": "ErrorValueOutOfRange", "4500": "NoError"}[year]]
