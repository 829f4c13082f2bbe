"""Valid SOAP requests of every operation, for the mutator to bend."""

from __future__ import annotations

from collections.abc import Iterator

from m365_emulator.world.mailbox import CalendarEvent, Mailbox

TOM = "tom.ellis@harbourvale.example"
SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
OPEN = (
    f'<s:Envelope xmlns:s="{SOAP}" xmlns:m="http://schemas.microsoft.com/exchange/services/2006/messages" '
    'xmlns:t="http://schemas.microsoft.com/exchange/services/2006/types"><s:Header>'
    '<t:RequestServerVersion Version="Exchange2016"/><t:TimeZoneContext><t:TimeZoneDefinition Id="GMT Standard Time"/>'
    "</t:TimeZoneContext></s:Header><s:Body>"
)
CLOSE = "</s:Body></s:Envelope>"
_ITEM_SHAPE = (
    "<m:ItemShape><t:BaseShape>AllProperties</t:BaseShape><t:BodyType>Text</t:BodyType><t:AdditionalProperties>"
    '<t:FieldURI FieldURI="item:Subject"/><t:ExtendedFieldURI PropertyTag="0x0E07" PropertyType="Integer"/>'
    "</t:AdditionalProperties></m:ItemShape>"
)
_FIND_SHAPE = "<m:ItemShape><t:BaseShape>Default</t:BaseShape></m:ItemShape>"
_FOLDER_SHAPE = "<m:FolderShape><t:BaseShape>AllProperties</t:BaseShape></m:FolderShape>"
_INBOX = '<t:DistinguishedFolderId Id="inbox"/>'
_TO = (
    "<t:ToRecipients><t:Mailbox><t:EmailAddress>dana.okafor@harbourvale.example</t:EmailAddress></t:Mailbox>"
    "</t:ToRecipients>"
)
_RECURRENCE = (
    "<t:Recurrence><t:RelativeMonthlyRecurrence><t:Interval>1</t:Interval><t:DaysOfWeek>Monday</t:DaysOfWeek>"
    "<t:DayOfWeekIndex>First</t:DayOfWeekIndex></t:RelativeMonthlyRecurrence><t:NumberedRecurrence>"
    "<t:StartDate>2027-01-04</t:StartDate><t:NumberOfOccurrences>6</t:NumberOfOccurrences></t:NumberedRecurrence></t:Recurrence>"
)
_EXTENDED = (
    '<t:ExtendedProperty><t:ExtendedFieldURI DistinguishedPropertySetId="PublicStrings" PropertyName="x" '
    'PropertyType="StringArray"/><t:Values><t:Value>a</t:Value><t:Value>b</t:Value></t:Values></t:ExtendedProperty>'
)
_BIAS_ZONE = (
    "<t:TimeZone><t:Bias>0</t:Bias><t:StandardTime><t:Bias>0</t:Bias><t:Time>02:00:00</t:Time><t:DayOrder>5</t:DayOrder>"
    "<t:Month>10</t:Month><t:DayOfWeek>Sunday</t:DayOfWeek></t:StandardTime><t:DaylightTime><t:Bias>-60</t:Bias>"
    "<t:Time>01:00:00</t:Time><t:DayOrder>5</t:DayOrder><t:Month>3</t:Month><t:DayOfWeek>Sunday</t:DayOfWeek>"
    "</t:DaylightTime></t:TimeZone>"
)


def corpus(mailbox: Mailbox) -> Iterator[str]:
    """Yield one valid request body of every operation and of every larger structure, with ids that exist."""
    message = next(iter(mailbox.well_known("inbox").items.values()))
    event = next(item for item in mailbox.calendar.items.values() if isinstance(item, CalendarEvent))
    series = next(
        item
        for item in mailbox.calendar.items.values()
        if isinstance(item, CalendarEvent) and item.kind == "seriesMaster"
    )
    item_id = _item_id(mailbox, message)
    event_id = _item_id(mailbox, event)
    master = mailbox.ids.ews_id(series.folder.number, series.entry)
    folder = f'<t:FolderId Id="{mailbox.ids.folder_ews_id(mailbox.well_known("inbox").number)}"/>'
    yield f"<m:GetFolder>{_FOLDER_SHAPE}<m:FolderIds>{_INBOX}{folder}</m:FolderIds></m:GetFolder>"
    yield (
        f'<m:FindFolder Traversal="Deep">{_FOLDER_SHAPE}<m:IndexedPageFolderView MaxEntriesReturned="5" Offset="0" '
        f'BasePoint="Beginning"/><m:ParentFolderIds><t:DistinguishedFolderId Id="root"/></m:ParentFolderIds></m:FindFolder>'
    )
    yield f"<m:GetItem>{_ITEM_SHAPE}<m:ItemIds>{item_id}{event_id}</m:ItemIds></m:GetItem>"
    yield (
        f'<m:GetItem>{_ITEM_SHAPE}<m:ItemIds><t:OccurrenceItemId RecurringMasterId="{master}" InstanceIndex="1"/>'
        f'<t:RecurringMasterItemId OccurrenceId="{master}"/></m:ItemIds></m:GetItem>'
    )
    yield (
        f'<m:FindItem Traversal="Shallow">{_FIND_SHAPE}<m:IndexedPageItemView MaxEntriesReturned="5" Offset="0" '
        'BasePoint="End"/><m:Restriction><t:And><t:Not><t:IsEqualTo><t:FieldURI FieldURI="message:IsRead"/>'
        '<t:FieldURIOrConstant><t:Constant Value="0"/></t:FieldURIOrConstant></t:IsEqualTo></t:Not>'
        '<t:Contains ContainmentMode="Substring" ContainmentComparison="IgnoreCase"><t:FieldURI FieldURI="item:Subject"/>'
        '<t:Constant Value="e"/></t:Contains><t:IsGreaterThan><t:FieldURI FieldURI="item:DateTimeReceived"/>'
        '<t:FieldURIOrConstant><t:Constant Value="2020-01-01T00:00:00Z"/></t:FieldURIOrConstant></t:IsGreaterThan>'
        '<t:Excludes><t:ExtendedFieldURI PropertyTag="0x0E07" PropertyType="Integer"/><t:Bitmask Value="8"/></t:Excludes>'
        '</t:And></m:Restriction><m:SortOrder><t:FieldOrder Order="Ascending"><t:FieldURI FieldURI="item:Subject"/>'
        f"</t:FieldOrder></m:SortOrder><m:ParentFolderIds>{_INBOX}</m:ParentFolderIds></m:FindItem>"
    )
    yield (
        f'<m:FindItem Traversal="Shallow">{_FIND_SHAPE}<m:CalendarView StartDate="2026-10-01T00:00:00Z" '
        'EndDate="2027-01-31T00:00:00Z" MaxEntriesReturned="50"/><m:ParentFolderIds>'
        '<t:DistinguishedFolderId Id="calendar"/></m:ParentFolderIds></m:FindItem>'
    )
    yield (
        f'<m:FindItem Traversal="Shallow">{_FIND_SHAPE}<m:FractionalPageItemView Numerator="1" Denominator="2"/>'
        f"<m:ParentFolderIds>{_INBOX}</m:ParentFolderIds><m:QueryString>subject:order OR from:desk</m:QueryString>"
        "</m:FindItem>"
    )
    yield f"<m:SyncFolderHierarchy>{_FOLDER_SHAPE}<m:SyncState>QUJD</m:SyncState></m:SyncFolderHierarchy>"
    yield (
        f"<m:SyncFolderItems>{_ITEM_SHAPE}<m:SyncFolderId>{_INBOX}</m:SyncFolderId><m:Ignore>{item_id}</m:Ignore>"
        "<m:MaxChangesReturned>10</m:MaxChangesReturned></m:SyncFolderItems>"
    )
    yield (
        '<m:CreateItem MessageDisposition="SaveOnly"><m:SavedItemFolderId><t:DistinguishedFolderId Id="drafts"/>'
        '</m:SavedItemFolderId><m:Items><t:Message><t:Subject>s</t:Subject><t:Body BodyType="HTML">b</t:Body><t:Attachments>'
        "<t:FileAttachment><t:Name>a</t:Name><t:Content>YQ==</t:Content></t:FileAttachment></t:Attachments><t:Categories>"
        f"<t:String>c</t:String></t:Categories><t:Importance>High</t:Importance>{_EXTENDED}<t:Flag><t:FlagStatus>Flagged"
        f"</t:FlagStatus></t:Flag>{_TO}<t:IsRead>0</t:IsRead></t:Message></m:Items></m:CreateItem>"
    )
    yield (
        f'<m:CreateItem MessageDisposition="SendAndSaveCopy"><m:Items><t:ReplyAllToItem>{_reference(item_id)}'
        '<t:NewBodyContent BodyType="Text">r</t:NewBodyContent></t:ReplyAllToItem><t:AcceptItem>'
        f"{_reference(event_id)}</t:AcceptItem></m:Items></m:CreateItem>"
    )
    yield (
        '<m:CreateItem MessageDisposition="SaveOnly"><m:Items><t:Message><t:MimeContent>U3ViamVjdDogeA0KDQpi</t:MimeContent>'
        "</t:Message></m:Items></m:CreateItem>"
    )
    yield (
        '<m:CreateItem SendMeetingInvitations="SendToAllAndSaveCopy"><m:Items><t:CalendarItem><t:Subject>s</t:Subject>'
        "<t:ReminderMinutesBeforeStart>15</t:ReminderMinutesBeforeStart><t:Start>2027-01-04T10:00:00</t:Start>"
        "<t:End>2027-01-04T11:00:00</t:End><t:IsAllDayEvent>false</t:IsAllDayEvent><t:LegacyFreeBusyStatus>Busy"
        "</t:LegacyFreeBusyStatus><t:RequiredAttendees><t:Attendee><t:Mailbox><t:EmailAddress>dana.okafor@harbourvale.example"
        f"</t:EmailAddress></t:Mailbox></t:Attendee></t:RequiredAttendees>{_RECURRENCE}"
        '<t:StartTimeZone Id="W. Europe Standard Time"/></t:CalendarItem></m:Items></m:CreateItem>'
    )
    yield _update(item_id, "item:Subject", "Message", "<t:Subject>n</t:Subject>")
    yield _update(event_id, "calendar:Start", "CalendarItem", "<t:Start>2027-01-04T10:00:00Z</t:Start>")
    yield _update(f'<t:ItemId Id="{master}"/>', "calendar:Recurrence", "CalendarItem", _RECURRENCE)
    yield (
        '<m:DeleteItem DeleteType="SoftDelete" SendMeetingCancellations="SendToNone">'
        f"<m:ItemIds>{item_id}</m:ItemIds></m:DeleteItem>"
    )
    for operation in ("MoveItem", "CopyItem"):
        yield (
            f'<m:{operation}><m:ToFolderId><t:DistinguishedFolderId Id="drafts"/></m:ToFolderId><m:ItemIds>{item_id}'
            f"</m:ItemIds><m:ReturnNewItemIds>true</m:ReturnNewItemIds></m:{operation}>"
        )
    yield f'<m:SendItem SaveItemToFolder="true"><m:ItemIds>{item_id}</m:ItemIds></m:SendItem>'
    yield (
        f"<m:CreateAttachment>{item_id.replace('t:ItemId', 'm:ParentItemId')}<m:Attachments>"
        "<t:ItemAttachment><t:Name>n</t:Name><t:Message><t:Subject>i</t:Subject></t:Message></t:ItemAttachment></m:Attachments></m:CreateAttachment>"
    )
    attachment = f'<t:AttachmentId Id="{mailbox.ids.ews_id(message.folder.number, message.entry, attachment=b"k" * 16)}"/>'
    for operation in ("GetAttachment", "DeleteAttachment"):
        yield f"<m:{operation}><m:AttachmentIds>{attachment}</m:AttachmentIds></m:{operation}>"
    yield (
        f"<m:CreateFolder><m:ParentFolderId>{_INBOX}</m:ParentFolderId><m:Folders><t:Folder><t:DisplayName>n</t:DisplayName>"
        "</t:Folder><t:CalendarFolder><t:DisplayName>c</t:DisplayName></t:CalendarFolder></m:Folders></m:CreateFolder>"
    )
    yield (
        f"<m:UpdateFolder><m:FolderChanges><t:FolderChange>{folder}<t:Updates><t:SetFolderField>"
        '<t:FieldURI FieldURI="folder:DisplayName"/><t:Folder><t:DisplayName>r</t:DisplayName></t:Folder></t:SetFolderField>'
        "</t:Updates></t:FolderChange></m:FolderChanges></m:UpdateFolder>"
    )
    yield f'<m:DeleteFolder DeleteType="HardDelete"><m:FolderIds>{folder}</m:FolderIds></m:DeleteFolder>'
    yield (
        '<m:EmptyFolder DeleteType="SoftDelete" DeleteSubFolders="false"><m:FolderIds>'
        '<t:DistinguishedFolderId Id="junkemail"/></m:FolderIds></m:EmptyFolder>'
    )
    for operation in ("MoveFolder", "CopyFolder"):
        yield (
            f'<m:{operation}><m:ToFolderId><t:DistinguishedFolderId Id="drafts"/></m:ToFolderId><m:FolderIds>{folder}'
            f"</m:FolderIds></m:{operation}>"
        )
    yield (
        "<m:MarkAllItemsAsRead><m:ReadFlag>true</m:ReadFlag><m:SuppressReadReceipts>true</m:SuppressReadReceipts>"
        f"<m:FolderIds>{_INBOX}</m:FolderIds></m:MarkAllItemsAsRead>"
    )
    yield (
        '<m:ConvertId DestinationFormat="HexEntryId"><m:SourceIds><t:AlternateId Format="EwsId" '
        f'Id="{master}" Mailbox="{TOM}"/></m:SourceIds></m:ConvertId>'
    )
    yield (
        '<m:GetServerTimeZones ReturnFullTimeZoneData="true"><m:Ids><t:Id>UTC</t:Id></m:Ids></m:GetServerTimeZones>'
    )
    yield '<m:ResolveNames ReturnFullContactData="true"><m:UnresolvedEntry>dana</m:UnresolvedEntry></m:ResolveNames>'
    yield (
        f"<m:GetUserAvailabilityRequest>{_BIAS_ZONE}<m:MailboxDataArray><t:MailboxData><t:Email><t:Address>{TOM}</t:Address>"
        "</t:Email><t:AttendeeType>Required</t:AttendeeType></t:MailboxData></m:MailboxDataArray><t:FreeBusyViewOptions>"
        "<t:TimeWindow><t:StartTime>2027-01-04T00:00:00</t:StartTime><t:EndTime>2027-01-06T00:00:00</t:EndTime></t:TimeWindow>"
        "<t:MergedFreeBusyIntervalInMinutes>30</t:MergedFreeBusyIntervalInMinutes><t:RequestedView>DetailedMerged"
        "</t:RequestedView></t:FreeBusyViewOptions></m:GetUserAvailabilityRequest>"
    )
    yield f"<m:GetUserOofSettingsRequest><t:Mailbox><t:Address>{TOM}</t:Address></t:Mailbox></m:GetUserOofSettingsRequest>"
    yield (
        f"<m:SetUserOofSettingsRequest><t:Mailbox><t:Address>{TOM}</t:Address></t:Mailbox><t:UserOofSettings><t:OofState>"
        "Scheduled</t:OofState><t:ExternalAudience>All</t:ExternalAudience><t:Duration><t:StartTime>2027-01-01T00:00:00Z"
        "</t:StartTime><t:EndTime>2027-01-02T00:00:00Z</t:EndTime></t:Duration></t:UserOofSettings>"
        "</m:SetUserOofSettingsRequest>"
    )
    yield (
        f"<m:Subscribe><m:PullSubscriptionRequest><t:FolderIds>{_INBOX}</t:FolderIds><t:EventTypes><t:EventType>NewMailEvent"
        "</t:EventType></t:EventTypes><t:Timeout>1</t:Timeout></m:PullSubscriptionRequest></m:Subscribe>"
    )
    yield "<m:GetEvents><m:SubscriptionId>QQ==</m:SubscriptionId><m:Watermark>QQ==</m:Watermark></m:GetEvents>"
    yield "<m:Unsubscribe><m:SubscriptionId>QQ==</m:SubscriptionId></m:Unsubscribe>"
    yield (
        "<m:GetStreamingEvents><m:SubscriptionIds><t:SubscriptionId>QQ==</t:SubscriptionId></m:SubscriptionIds>"
        "<m:ConnectionTimeout>1</m:ConnectionTimeout></m:GetStreamingEvents>"
    )


def _item_id(mailbox: Mailbox, item: object) -> str:
    entry, folder = item.entry, item.folder  # type: ignore[attr-defined]
    key = mailbox.change_key_of(item)  # type: ignore[arg-type]
    return f'<t:ItemId Id="{mailbox.ids.ews_id(folder.number, entry)}" ChangeKey="{key}"/>'


def _reference(item_id: str) -> str:
    return item_id.replace("t:ItemId", "t:ReferenceItemId")


def _update(item_id: str, uri: str, holder: str, value: str) -> str:
    return (
        '<m:UpdateItem ConflictResolution="AutoResolve" MessageDisposition="SaveOnly" '
        f'SendMeetingInvitationsOrCancellations="SendToNone"><m:ItemChanges><t:ItemChange>{item_id}<t:Updates><t:SetItemField>'
        f'<t:FieldURI FieldURI="{uri}"/><t:{holder}>{value}</t:{holder}></t:SetItemField></t:Updates></t:ItemChange>'
        "</m:ItemChanges></m:UpdateItem>"
    )
