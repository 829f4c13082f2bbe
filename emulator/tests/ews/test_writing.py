"""Creating, changing, sending, moving and deleting."""

from __future__ import annotations

import base64

import pytest

from m365_emulator.world.mailbox import Message

DANA = "dana.okafor@harbourvale.example"
TOM = "tom.ellis@harbourvale.example"
TO_DANA = f"<t:ToRecipients><t:Mailbox><t:EmailAddress>{DANA}</t:EmailAddress></t:Mailbox></t:ToRecipients>"


def create(inner: str, disposition: str = "SaveOnly", folder: str = "", invitations: str = "") -> str:
    saved = (
        f'<m:SavedItemFolderId><t:DistinguishedFolderId Id="{folder}"/></m:SavedItemFolderId>'
        if folder
        else ""
    )
    attributes = f' MessageDisposition="{disposition}"' if disposition else ""
    attributes += f' SendMeetingInvitations="{invitations}"' if invitations else ""
    return f"<m:CreateItem{attributes}>{saved}<m:Items>{inner}</m:Items></m:CreateItem>"


def message(subject: str = "Quote 7", extra: str = "", tail: str = TO_DANA) -> str:
    return f'<t:Message><t:Subject>{subject}</t:Subject><t:Body BodyType="Text">Hello</t:Body>{extra}{tail}</t:Message>'


def save(client, inner: str, **options) -> dict[str, str]:
    response = client.call(create(inner, **options))
    assert client.codes(response) == ["NoError"]
    return dict(client.one(response, ".//t:ItemId").attrib)


def update(ids: dict[str, str], changes: str, resolution: str = "AutoResolve", attributes: str = "") -> str:
    change_key = f' ChangeKey="{ids["ChangeKey"]}"' if "ChangeKey" in ids else ""
    return (
        f'<m:UpdateItem ConflictResolution="{resolution}" MessageDisposition="SaveOnly" '
        f'SendMeetingInvitationsOrCancellations="SendToNone"{attributes}><m:ItemChanges><t:ItemChange>'
        f'<t:ItemId Id="{ids["Id"]}"{change_key}/><t:Updates>{changes}</t:Updates></t:ItemChange></m:ItemChanges>'
        "</m:UpdateItem>"
    )


def set_field(uri: str, inner: str, holder: str = "Message") -> str:
    return f'<t:SetItemField><t:FieldURI FieldURI="{uri}"/><t:{holder}>{inner}</t:{holder}></t:SetItemField>'


def set_subject(subject: str) -> str:
    return set_field("item:Subject", f"<t:Subject>{subject}</t:Subject>")


def on_item(
    operation: str, ids: dict[str, str], attributes: str = "", before: str = "", after: str = ""
) -> str:
    key = f' ChangeKey="{ids["ChangeKey"]}"' if "ChangeKey" in ids else ""
    item = f'<m:ItemIds><t:ItemId Id="{ids["Id"]}"{key}/></m:ItemIds>'
    return f"<m:{operation}{attributes}>{before}{item}{after}</m:{operation}>"


TO_ARCHIVE = '<m:ToFolderId><t:DistinguishedFolderId Id="archive"/></m:ToFolderId>'


def subjects(client, folder: str, address: str = TOM) -> list[str]:
    return [item.subject for item in client.mailbox(address).well_known(folder).items.values()]


def test_a_saved_message_is_a_draft_with_everything_it_was_given(client):
    ids = save(
        client,
        message(
            extra="<t:Categories><t:String>Blue</t:String></t:Categories><t:Importance>High</t:Importance>",
            tail=f"{TO_DANA}<t:IsReadReceiptRequested>true</t:IsReadReceiptRequested><t:IsRead>false</t:IsRead>",
        ),
    )
    item = client.get_item(ids["Id"])
    assert client.text(item, "t:IsDraft") == "true"
    assert client.text(item, "t:IsRead") == "false"
    assert client.text(item, "t:Importance") == "High"
    assert client.text(item, "t:Categories/t:String") == "Blue"
    assert client.text(item, "t:ToRecipients/t:Mailbox/t:Name") == "Dana Okafor"
    assert client.text(item, "t:IsReadReceiptRequested") == "true"


def test_sending_gives_no_id_and_reaches_the_recipient(client):
    response = client.call(create(message("Sent at once"), "SendAndSaveCopy"))
    assert client.codes(response) == ["NoError"]
    assert len(client.one(response, ".//m:Items")) == 0
    assert "Sent at once" in subjects(client, "sentitems")
    assert "Sent at once" in subjects(client, "inbox", DANA)


def test_send_only_keeps_no_copy(client):
    client.call(create(message("No copy"), "SendOnly"))
    assert "No copy" not in subjects(client, "sentitems")
    assert "No copy" in subjects(client, "inbox", DANA)


def test_a_message_without_disposition_is_refused(client):
    response = client.call(create(message(), ""))
    assert client.codes(response) == ["ErrorMessageDispositionRequired"]


def test_mail_can_be_put_into_a_folder_as_if_it_had_arrived(client):
    mime = base64.b64encode(
        b"From: Order Desk <orders@supplier.example>\r\nTo: tom.ellis@harbourvale.example\r\n"
        b"Subject: Imported\r\nDate: Mon, 02 Nov 2026 09:00:00 +0000\r\nMessage-ID: <1@supplier.example>\r\n\r\nOld mail\r\n"
    ).decode()
    ids = save(
        client,
        f"<t:Message><t:MimeContent>{mime}</t:MimeContent><t:ExtendedProperty>"
        '<t:ExtendedFieldURI PropertyTag="0x0E07" PropertyType="Integer"/><t:Value>1</t:Value></t:ExtendedProperty>'
        "</t:Message>",
        folder="inbox",
    )
    item = client.get_item(ids["Id"])
    assert client.text(item, "t:IsDraft") == "false"
    assert client.text(item, "t:IsRead") == "true"
    assert client.text(item, "t:From/t:Mailbox/t:EmailAddress") == "orders@supplier.example"
    assert client.text(item, "t:DateTimeSent") == "2026-11-02T09:00:00Z"
    assert client.text(item, "t:InternetMessageId") == "<1@supplier.example>"


def test_updates_set_append_and_delete_and_give_a_new_change_key(client):
    ids = save(client, message())
    response = client.call(
        update(
            ids,
            set_subject("Changed")
            + '<t:AppendToItemField><t:FieldURI FieldURI="item:Body"/><t:Message><t:Body BodyType="Text"> and more</t:Body>'
            "</t:Message></t:AppendToItemField>"
            '<t:DeleteItemField><t:FieldURI FieldURI="message:ToRecipients"/></t:DeleteItemField>',
        )
    )
    assert client.codes(response) == ["NoError"]
    assert client.text(response, ".//m:ConflictResults/t:Count") == "0"
    new = client.one(response, ".//t:ItemId")
    assert new.get("Id") == ids["Id"]
    assert new.get("ChangeKey") != ids["ChangeKey"]
    item = client.get_item(ids["Id"])
    assert client.text(item, "t:Subject") == "Changed"
    assert client.text(item, "t:Body") == "Hello and more"
    assert item.find("{*}ToRecipients") is None


def test_never_overwrite_refuses_a_stale_change_key(client):
    ids = save(client, message())
    client.call(update(ids, set_subject("First")))
    stale = client.call(update(ids, set_subject("Second"), "NeverOverwrite"))
    assert client.codes(stale) == ["ErrorIrresolvableConflict"]
    missing = client.call(update({"Id": ids["Id"]}, set_subject("Third"), "NeverOverwrite"))
    assert client.codes(missing) == ["ErrorChangeKeyRequiredForWriteOperations"]
    forced = client.call(update(ids, set_subject("Fourth"), "AlwaysOverwrite"))
    assert client.codes(forced) == ["NoError"]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        (set_field("item:Subject", "<t:Importance>High</t:Importance>"), "ErrorUpdatePropertyMismatch"),
        (
            set_field("item:Subject", "<t:Subject>a</t:Subject><t:Importance>High</t:Importance>"),
            "ErrorIncorrectUpdatePropertyCount",
        ),
        (set_field("item:Size", "<t:Size>1</t:Size>"), "ErrorInvalidPropertySet"),
        (
            '<t:DeleteItemField><t:FieldURI FieldURI="item:Size"/></t:DeleteItemField>',
            "ErrorInvalidPropertyDelete",
        ),
        (set_field("item:Importance", "<t:Importance>Huge</t:Importance>"), "ErrorInvalidValueForProperty"),
        (
            '<t:AppendToItemField><t:FieldURI FieldURI="item:Subject"/><t:Message><t:Subject>x</t:Subject></t:Message>'
            "</t:AppendToItemField>",
            "ErrorInvalidPropertyAppend",
        ),
    ],
)
def test_wrong_updates_say_what_is_wrong(client, changes, code):
    ids = save(client, message())
    assert client.codes(client.call(update(ids, changes))) == [code]


def test_recipients_of_a_sent_message_stay(client):
    item_id = client.find_ids("sentitems")[0]
    response = client.call(
        update({"Id": item_id}, set_field("message:ToRecipients", TO_DANA), "AlwaysOverwrite")
    )
    assert client.codes(response) == ["ErrorInvalidPropertyUpdateSentMessage"]


def test_extended_properties_are_set_found_and_deleted(client):
    path = (
        '<t:ExtendedFieldURI PropertySetId="3f2a1c44-0b6d-4e57-9a1f-8d7c5e6b4a30" PropertyName="orderNumber" '
        'PropertyType="String"/>'
    )
    value = f"<t:ExtendedProperty>{path}<t:Value>4711</t:Value></t:ExtendedProperty>"
    ids = save(client, message())
    assert client.codes(
        client.call(update(ids, f"<t:SetItemField>{path}<t:Message>{value}</t:Message></t:SetItemField>"))
    ) == ["NoError"]
    found = client.find_ids(
        "drafts",
        f"<m:Restriction><t:IsEqualTo>{path}<t:FieldURIOrConstant><t:Constant Value='4711'/></t:FieldURIOrConstant>"
        "</t:IsEqualTo></m:Restriction>",
    )
    assert found == [ids["Id"]]
    shape = f"<t:BaseShape>IdOnly</t:BaseShape><t:AdditionalProperties>{path}</t:AdditionalProperties>"
    assert client.text(client.get_item(ids["Id"], shape), "t:ExtendedProperty/t:Value") == "4711"
    client.call(update(ids, f"<t:DeleteItemField>{path}</t:DeleteItemField>"))
    assert client.get_item(ids["Id"], shape).find("{*}ExtendedProperty") is None


@pytest.mark.parametrize(
    ("path", "value", "code"),
    [
        ('PropertyTag="0x8001" PropertyType="String"', "x", "ErrorNoPropertyTagForCustomProperties"),
        ('DistinguishedPropertySetId="Common" PropertyType="String"', "x", "ErrorInvalidExtendedProperty"),
        ('PropertyTag="0x3000" PropertyType="Integer"', "seven", "ErrorInvalidExtendedPropertyValue"),
        ('PropertyTag="0x3000" PropertyType="Binary"', "***", "ErrorInvalidExtendedPropertyValue"),
        ('PropertyTag="0x3000" PropertyType="StringArray"', "x", "ErrorInvalidExtendedPropertyValue"),
    ],
)
def test_wrong_extended_properties_say_what_is_wrong(client, path, value, code):
    extended = (
        f"<t:ExtendedProperty><t:ExtendedFieldURI {path}/><t:Value>{value}</t:Value></t:ExtendedProperty>"
    )
    assert client.codes(client.call(create(message(extra=extended)))) == [code]


def test_a_draft_is_sent_with_its_current_change_key_only(client):
    ids = save(client, message("Draft to send"))
    client.call(update(ids, set_subject("Draft to send, changed")))
    send = ' SaveItemToFolder="true"'
    assert client.codes(client.call(on_item("SendItem", {"Id": ids["Id"]}, send))) == [
        "ErrorChangeKeyRequiredForWriteOperations"
    ]
    assert client.codes(client.call(on_item("SendItem", ids, send))) == ["ErrorStaleObject"]
    current = dict(client.one(client.get_item(ids["Id"]), "t:ItemId").attrib)
    assert client.codes(client.call(on_item("SendItem", current, send))) == ["NoError"]
    assert "Draft to send, changed" in subjects(client, "sentitems")
    assert "Draft to send, changed" in subjects(client, "inbox", DANA)
    gone = client.call(on_item("SendItem", current, send))
    assert client.codes(gone) == ["ErrorItemNotFound"]


def test_a_move_gives_a_new_id_and_the_old_one_is_gone(client):
    item_id = client.find_ids()[0]
    response = client.call(
        on_item(
            "MoveItem",
            {"Id": item_id},
            before='<m:ToFolderId><t:DistinguishedFolderId Id="drafts"/></m:ToFolderId>',
        )
    )
    new_id = client.one(response, ".//t:ItemId").get("Id")
    assert new_id != item_id
    assert new_id in client.find_ids("drafts")
    gone = client.call(on_item("DeleteItem", {"Id": item_id}, ' DeleteType="HardDelete"'))
    assert client.codes(gone) == ["ErrorItemNotFound"]


def test_a_copy_leaves_the_original_alone(client):
    item_id = client.find_ids()[0]
    response = client.call(
        on_item(
            "CopyItem",
            {"Id": item_id},
            before='<m:ToFolderId><t:DistinguishedFolderId Id="drafts"/></m:ToFolderId>',
        )
    )
    assert client.one(response, ".//t:ItemId").get("Id") in client.find_ids("drafts")
    assert item_id in client.find_ids()


def test_no_ids_come_back_when_none_are_wanted(client):
    item_id = client.find_ids()[0]
    response = client.call(
        on_item(
            "MoveItem",
            {"Id": item_id},
            before='<m:ToFolderId><t:DistinguishedFolderId Id="drafts"/></m:ToFolderId>',
            after="<m:ReturnNewItemIds>false</m:ReturnNewItemIds>",
        )
    )
    assert client.codes(response) == ["NoError"]
    assert response.find(".//{*}ItemId") is None


@pytest.mark.parametrize(
    ("how", "where"),
    [
        ("MoveToDeletedItems", "deleteditems"),
        ("SoftDelete", "recoverableitemsdeletions"),
        ("HardDelete", None),
    ],
)
def test_deleted_items_go_where_the_request_says(client, how, where):
    ids = save(client, message(f"Gone {how}"))
    assert client.codes(client.call(on_item("DeleteItem", ids, f' DeleteType="{how}"'))) == ["NoError"]
    assert f"Gone {how}" not in subjects(client, "drafts")
    places = [
        name
        for name in ("deleteditems", "recoverableitemsdeletions")
        if f"Gone {how}" in subjects(client, name)
    ]
    assert places == ([where] if where else [])


def test_attachments_come_go_and_change_the_parents_key(client):
    ids = save(client, message("With file"))
    content = base64.b64encode(b"figures").decode()
    response = client.call(
        f'<m:CreateAttachment><m:ParentItemId Id="{ids["Id"]}"/><m:Attachments>'
        "<t:FileAttachment><t:Name>figures.txt</t:Name>"
        f"<t:ContentType>text/plain</t:ContentType><t:Content>{content}</t:Content></t:FileAttachment>"
        "<t:ItemAttachment><t:Name>note</t:Name><t:Message><t:Subject>Inner</t:Subject>"
        '<t:Body BodyType="Text">inside</t:Body></t:Message></t:ItemAttachment></m:Attachments></m:CreateAttachment>'
    )
    assert client.codes(response) == ["NoError", "NoError"]
    made = client.all(response, ".//t:AttachmentId")
    current = client.one(client.get_item(ids["Id"]), "t:ItemId").get("ChangeKey")
    assert made[-1].get("RootItemChangeKey") == current != ids["ChangeKey"]
    nodes = "".join(f'<t:AttachmentId Id="{node.get("Id")}"/>' for node in made)
    got = client.call(f"<m:GetAttachment><m:AttachmentIds>{nodes}</m:AttachmentIds></m:GetAttachment>")
    assert base64.b64decode(client.text(got, ".//t:Content")) == b"figures"
    assert client.text(got, ".//t:ItemAttachment/t:Message/t:Subject") == "Inner"
    deleted = client.call(
        f"<m:DeleteAttachment><m:AttachmentIds>{nodes}</m:AttachmentIds></m:DeleteAttachment>"
    )
    assert client.codes(deleted) == ["NoError", "NoError"]
    assert client.one(deleted, ".//m:RootItemId").get("RootItemId") == ids["Id"]
    again = client.call(f"<m:GetAttachment><m:AttachmentIds>{nodes}</m:AttachmentIds></m:GetAttachment>")
    assert client.codes(again) == ["ErrorInvalidAttachmentId", "ErrorInvalidAttachmentId"]


def test_replies_go_to_the_sender_and_quote_the_original(client):
    client.call(create(message("Question"), "SendAndSaveCopy"))
    asked = next(
        item
        for item in client.mailbox(DANA).well_known("inbox").items.values()
        if isinstance(item, Message) and item.subject == "Question"
    )
    item_id = client.mailbox(DANA).ids.ews_id(asked.folder.number, asked.entry)
    response = client.call(
        create(
            f'<t:ReplyToItem><t:ReferenceItemId Id="{item_id}"/><t:NewBodyContent BodyType="Text">Answer</t:NewBodyContent>'
            "</t:ReplyToItem>",
            "SendAndSaveCopy",
        ),
        as_user=DANA,
    )
    assert client.codes(response) == ["NoError"]
    answer = next(
        item for item in client.mailbox().well_known("inbox").items.values() if item.subject == "RE: Question"
    )
    assert answer.body.content.startswith("Answer")
    assert "Hello" in answer.body.content
    assert answer.in_reply_to == asked.internet_message_id


def test_a_forward_can_wait_as_a_draft(client):
    item_id = client.find_ids()[0]
    response = client.call(
        create(
            f'<t:ForwardItem>{TO_DANA}<t:ReferenceItemId Id="{item_id}"/><t:NewBodyContent BodyType="Text">See below'
            "</t:NewBodyContent></t:ForwardItem>"
        )
    )
    item = client.get_item(client.one(response, ".//t:ItemId").get("Id"))
    assert client.text(item, "t:Subject").startswith("FW: ")
    assert client.text(item, "t:ToRecipients/t:Mailbox/t:EmailAddress") == DANA


def test_unknown_recipients_of_known_domains_are_reported(client):
    nobody = TO_DANA.replace(DANA, "nobody@harbourvale.example")
    client.call(create(message("Lost", tail=nobody), "SendAndSaveCopy"))
    assert "Undeliverable: Lost" in subjects(client, "inbox")


def test_a_message_to_nobody_is_refused(client):
    assert client.codes(client.call(create(message(tail=""), "SendAndSaveCopy"))) == [
        "ErrorInvalidRecipients"
    ]


def test_one_bad_item_does_not_stop_the_others(client):
    response = client.call(create(message("One") + "<t:Contact/>" + message("Two")))
    assert client.codes(response) == ["NoError", "ErrorInvalidItemForOperationCreateItem", "NoError"]


def test_folders_are_made_renamed_moved_copied_emptied_and_deleted(client):
    def folders(operation: str, inner: str, attributes: str = ""):
        response = client.call(f"<m:{operation}{attributes}>{inner}</m:{operation}>")
        assert client.codes(response) == ["NoError"]
        node = response.find(".//{*}FolderId")
        return node.get("Id") if node is not None else ""

    parent = '<m:ParentFolderId><t:DistinguishedFolderId Id="inbox"/></m:ParentFolderId>'
    folder_id = folders(
        "CreateFolder",
        f"{parent}<m:Folders><t:Folder><t:DisplayName>Work</t:DisplayName></t:Folder></m:Folders>",
    )
    ids = f'<m:FolderIds><t:FolderId Id="{folder_id}"/></m:FolderIds>'
    twice = client.call(
        f"<m:CreateFolder>{parent}<m:Folders><t:Folder><t:DisplayName>work</t:DisplayName></t:Folder></m:Folders>"
        "</m:CreateFolder>"
    )
    assert client.codes(twice) == ["ErrorFolderExists"]
    folders(
        "UpdateFolder",
        f'<m:FolderChanges><t:FolderChange><t:FolderId Id="{folder_id}"/><t:Updates><t:SetFolderField>'
        '<t:FieldURI FieldURI="folder:DisplayName"/><t:Folder><t:DisplayName>Jobs</t:DisplayName></t:Folder>'
        "</t:SetFolderField></t:Updates></t:FolderChange></m:FolderChanges>",
    )
    to = '<m:ToFolderId><t:DistinguishedFolderId Id="{}"/></m:ToFolderId>'
    assert folders("MoveFolder", to.format("drafts") + ids) == folder_id
    assert folders("CopyFolder", to.format("sentitems") + ids) != folder_id
    mailbox = client.mailbox()
    inside = mailbox.find_folder_named(mailbox.well_known("drafts"), "Jobs")
    mailbox.copy(next(iter(mailbox.well_known("inbox").items.values())), inside)
    folders("EmptyFolder", ids, ' DeleteType="HardDelete" DeleteSubFolders="false"')
    assert inside.total_count == 0
    folders("DeleteFolder", ids, ' DeleteType="HardDelete"')
    assert mailbox.find_folder_named(mailbox.well_known("drafts"), "Jobs") is None


def test_well_known_folders_cannot_be_deleted(client):
    response = client.call(
        '<m:DeleteFolder DeleteType="HardDelete"><m:FolderIds><t:DistinguishedFolderId Id="inbox"/></m:FolderIds>'
        "</m:DeleteFolder>"
    )
    assert client.codes(response) == ["ErrorDeleteDistinguishedFolder"]


def test_all_items_of_a_folder_are_marked_as_read(client):
    response = client.call(
        "<m:MarkAllItemsAsRead><m:ReadFlag>true</m:ReadFlag><m:SuppressReadReceipts>true</m:SuppressReadReceipts>"
        '<m:FolderIds><t:DistinguishedFolderId Id="inbox"/></m:FolderIds></m:MarkAllItemsAsRead>'
    )
    assert client.codes(response) == ["NoError"]
    assert client.mailbox().well_known("inbox").unread_count == 0
