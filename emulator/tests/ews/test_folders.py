"""Reading folders: by name, by id, by search, by sync."""

from __future__ import annotations

import pytest

DISTINGUISHED = [
    "allcategorizeditems",
    "allcontacts",
    "allitems",
    "allpersonmetadata",
    "calendar",
    "companycontacts",
    "conflicts",
    "contacts",
    "conversationhistory",
    "deleteditems",
    "directory",
    "dlppolicyevaluation",
    "drafts",
    "favorites",
    "fromfavoritesenders",
    "imcontactlist",
    "inbox",
    "inference",
    "journal",
    "junkemail",
    "localfailures",
    "msgfolderroot",
    "mycontacts",
    "notes",
    "onenotepagepreviews",
    "outbox",
    "peoplecentricconversationbuddies",
    "peopleconnect",
    "qedcdefaultretention",
    "qedclongretention",
    "qedcmediumretention",
    "qedcshortretention",
    "quarantinedemail",
    "quarantinedemaildefaultcategory",
    "quickcontacts",
    "recipientcache",
    "recoverableitemsdeletions",
    "recoverableitemspurges",
    "recoverableitemsroot",
    "recoverableitemssubstrateholds",
    "recoverableitemsversions",
    "relevantcontacts",
    "searchfolders",
    "sentitems",
    "serverfailures",
    "sharepointnotifications",
    "shortnotes",
    "syncissues",
    "tasks",
    "temporarysaves",
    "todosearch",
    "usercuratedcontacts",
    "voicemail",
]


def get_folder(ids: str, shape: str = "<t:BaseShape>AllProperties</t:BaseShape>") -> str:
    return (
        f"<m:GetFolder><m:FolderShape>{shape}</m:FolderShape><m:FolderIds>{ids}</m:FolderIds></m:GetFolder>"
    )


def find_folder(parent: str, traversal: str = "Deep", view: str = "") -> str:
    return (
        f'<m:FindFolder Traversal="{traversal}"><m:FolderShape><t:BaseShape>AllProperties</t:BaseShape></m:FolderShape>'
        f'{view}<m:ParentFolderIds><t:DistinguishedFolderId Id="{parent}"/></m:ParentFolderIds></m:FindFolder>'
    )


def test_every_distinguished_id_gets_its_own_answer_in_order(client):
    assert len(DISTINGUISHED) == 53
    response = client.call(
        get_folder("".join(f'<t:DistinguishedFolderId Id="{name}"/>' for name in DISTINGUISHED))
    )
    answers = client.all(response, ".//m:GetFolderResponseMessage")
    assert len(answers) == 53
    for name, answer in zip(DISTINGUISHED, answers, strict=True):
        code = client.text(answer, "m:ResponseCode")
        assert code in {"NoError", "ErrorFolderNotFound"}
        if code == "NoError":
            assert client.text(answer, ".//t:DistinguishedFolderId") == name
    found = {
        name
        for name, answer in zip(DISTINGUISHED, answers, strict=True)
        if client.codes(answer) == ["NoError"]
    }
    assert {"inbox", "calendar", "sentitems", "deleteditems", "msgfolderroot", "contacts", "tasks"} <= found


def test_the_parent_of_the_top_of_information_store_is_the_root(client):
    response = client.call(
        get_folder('<t:DistinguishedFolderId Id="root"/><t:DistinguishedFolderId Id="msgfolderroot"/>')
    )
    root, top = client.all(response, ".//m:Folders/*")
    assert client.one(top, "t:ParentFolderId").get("Id") == client.one(root, "t:FolderId").get("Id")


def test_calendar_folder_has_its_own_element_and_folder_class(client):
    response = client.call(get_folder('<t:DistinguishedFolderId Id="calendar"/>'))
    assert client.text(response, ".//t:CalendarFolder/t:FolderClass") == "IPF.Appointment"


def test_a_folder_found_by_name_is_found_by_its_id_too(client):
    response = client.call(get_folder('<t:DistinguishedFolderId Id="inbox"/>'))
    folder_id = client.one(response, ".//t:FolderId").get("Id")
    assert folder_id.startswith("AAMk")
    again = client.call(get_folder(f'<t:FolderId Id="{folder_id}"/>'))
    assert client.text(again, ".//t:DisplayName") == "Inbox"


@pytest.mark.parametrize(
    ("node", "code"),
    [
        ('<t:FolderId Id="AAMkNonsense"/>', "ErrorInvalidIdMalformed"),
        ('<t:FolderId Id=""/>', "ErrorInvalidIdEmpty"),
        ('<t:DistinguishedFolderId Id="voicemail"/>', "ErrorFolderNotFound"),
        (
            '<t:DistinguishedFolderId Id="inbox"><t:Mailbox><t:EmailAddress>dana.okafor@harbourvale.example'
            "</t:EmailAddress></t:Mailbox></t:DistinguishedFolderId>",
            "ErrorAccessDenied",
        ),
        (
            '<t:DistinguishedFolderId Id="inbox"><t:Mailbox><t:EmailAddress>nobody@harbourvale.example'
            "</t:EmailAddress></t:Mailbox></t:DistinguishedFolderId>",
            "ErrorNonExistentMailbox",
        ),
    ],
)
def test_bad_folder_ids_fail_alone(client, node, code):
    response = client.call(get_folder(f'{node}<t:DistinguishedFolderId Id="inbox"/>'))
    assert client.codes(response) == [code, "NoError"]


def test_an_item_id_is_no_folder_id(client):
    item_id = client.find_ids()[0]
    response = client.call(get_folder(f'<t:FolderId Id="{item_id}"/>'))
    assert client.codes(response) == ["ErrorCannotUseItemIdForFolderId"]


def test_full_access_opens_another_mailbox(client):
    client.mailbox("dana.okafor@harbourvale.example").permissions.full_access.add(client.user().oid)
    response = client.call(
        get_folder(
            '<t:DistinguishedFolderId Id="inbox"><t:Mailbox><t:EmailAddress>dana.okafor@harbourvale.example'
            "</t:EmailAddress></t:Mailbox></t:DistinguishedFolderId>"
        )
    )
    assert client.codes(response) == ["NoError"]


def test_deep_search_goes_page_by_page_without_losing_a_folder(client):
    everything = client.call(find_folder("root"))
    wanted = [node.get("Id") for node in client.all(everything, ".//t:FolderId")]
    found: list[str | None] = []
    offset = 0
    while True:
        view = f'<m:IndexedPageFolderView MaxEntriesReturned="5" Offset="{offset}" BasePoint="Beginning"/>'
        response = client.call(find_folder("root", view=view))
        page = client.one(response, ".//m:RootFolder")
        assert page.get("TotalItemsInView") == str(len(wanted))
        found += [node.get("Id") for node in client.all(response, ".//t:FolderId")]
        offset = int(page.get("IndexedPagingOffset"))
        if page.get("IncludesLastItemInRange") == "true":
            break
    assert found == wanted


def test_shallow_search_stays_on_one_level(client):
    mailbox = client.mailbox()
    parent = mailbox.create_folder(mailbox.well_known("inbox"), "Parent")
    mailbox.create_folder(parent, "Child")
    names = [
        node.text for node in client.all(client.call(find_folder("inbox", "Shallow")), ".//t:DisplayName")
    ]
    assert "Parent" in names
    assert "Child" not in names


def test_hierarchy_sync_lists_once_and_then_tells_changes(client):
    def sync(state: str = ""):
        return client.call(
            "<m:SyncFolderHierarchy><m:FolderShape><t:BaseShape>Default</t:BaseShape></m:FolderShape>"
            f"{state and f'<m:SyncState>{state}</m:SyncState>'}</m:SyncFolderHierarchy>"
        )

    mailbox = client.mailbox()
    folder = mailbox.create_folder(mailbox.well_known("inbox"), "Orders 2026")
    first = sync()
    assert "Orders 2026" in [node.text for node in client.all(first, ".//t:Create//t:DisplayName")]
    state = client.text(first, ".//m:SyncState")
    assert client.all(sync(state), ".//m:Changes/*") == []
    mailbox.rename_folder(folder, "Orders 2027")
    second = sync(state)
    assert client.text(second, ".//t:Update//t:DisplayName") == "Orders 2027"
    from m365_emulator.world.mailbox import DeleteMode

    mailbox.delete_folder(folder, DeleteMode.HARD)
    third = sync(client.text(second, ".//m:SyncState"))
    assert len(client.all(third, ".//t:Delete/t:FolderId")) == 1


def test_a_sync_state_of_another_folder_is_refused_with_an_empty_state(client):
    response = client.call(
        "<m:SyncFolderHierarchy><m:FolderShape><t:BaseShape>IdOnly</t:BaseShape></m:FolderShape>"
        "<m:SyncState>bm90IGEgc3RhdGU=</m:SyncState></m:SyncFolderHierarchy>"
    )
    assert client.codes(response) == ["ErrorInvalidSyncStateData"]
    assert response.find(".//{*}SyncState") is not None
    assert client.text(response, ".//m:IncludesLastFolderInRange") == "true"
