"""Reading items: listing, searching, ordering, paging, shapes."""

from __future__ import annotations

from datetime import timedelta

import pytest
from lxml import etree

from m365_emulator.world.mailbox import Body, Message, Recipient
from m365_emulator.world.mailbox.drafting import create_draft

TOM = Recipient("Tom Ellis", "tom.ellis@harbourvale.example")
DANA = Recipient("Dana Okafor", "dana.okafor@harbourvale.example")


def find_item(
    inner: str, *, shape: str = "", folder: str = "inbox", traversal: str = "Shallow", after: str = ""
) -> str:
    return (
        f'<m:FindItem Traversal="{traversal}"><m:ItemShape><t:BaseShape>IdOnly</t:BaseShape>'
        f"{shape and f'<t:AdditionalProperties>{shape}</t:AdditionalProperties>'}</m:ItemShape>"
        f'{inner}<m:ParentFolderIds><t:DistinguishedFolderId Id="{folder}"/></m:ParentFolderIds>{after}</m:FindItem>'
    )


SUBJECT = '<t:FieldURI FieldURI="item:Subject"/>'


def subjects(client, response):
    return [node.text for node in client.all(response, ".//t:Subject")]


@pytest.fixture
def three(client):
    """Three drafts, oldest first."""
    made = []
    for number, subject in enumerate(("Alpha order", "beta ORDER", "Gamma note")):
        client.advance(minutes=1)
        made.append(
            create_draft(
                client.mailbox(),
                Message(
                    subject=subject,
                    body=Body(f"<p>Body {number}</p>", is_html=True),
                    to=(DANA,),
                    importance="high" if number == 1 else "normal",
                    categories=("Blue category",) if number == 2 else (),
                ),
            )
        )
    return made


def test_pages_join_up_to_the_whole_folder(client):
    wanted = client.find_ids()
    assert len(wanted) > 10
    found: list[str] = []
    offset = 0
    while True:
        response = client.call(
            find_item(
                f'<m:IndexedPageItemView MaxEntriesReturned="7" Offset="{offset}" BasePoint="Beginning"/>'
            )
        )
        root = client.one(response, ".//m:RootFolder")
        assert root.get("TotalItemsInView") == str(len(wanted))
        found += [node.get("Id") for node in client.all(response, ".//t:ItemId")]
        offset = int(root.get("IndexedPagingOffset"))
        if root.get("IncludesLastItemInRange") == "true":
            break
    assert found == wanted


def test_a_page_from_the_end_holds_the_last_items(client):
    wanted = client.find_ids()
    response = client.call(
        find_item('<m:IndexedPageItemView MaxEntriesReturned="3" Offset="0" BasePoint="End"/>')
    )
    assert [node.get("Id") for node in client.all(response, ".//t:ItemId")] == wanted[-3:]


def test_listing_is_newest_first(client, three):
    response = client.call(find_item("", shape=SUBJECT, folder="drafts"))
    assert subjects(client, response)[:3] == ["Gamma note", "beta ORDER", "Alpha order"]


def restriction(inner: str) -> str:
    return f"<m:Restriction>{inner}</m:Restriction>"


def compare(operator: str, uri: str, value: str) -> str:
    return (
        f'<t:{operator}><t:FieldURI FieldURI="{uri}"/>'
        f'<t:FieldURIOrConstant><t:Constant Value="{value}"/></t:FieldURIOrConstant></t:{operator}>'
    )


@pytest.mark.parametrize(
    ("expression", "wanted"),
    [
        (compare("IsEqualTo", "item:Subject", "alpha order"), {"Alpha order"}),
        (compare("IsNotEqualTo", "item:Subject", "Alpha order"), {"beta ORDER", "Gamma note"}),
        (compare("IsEqualTo", "item:Importance", "High"), {"beta ORDER"}),
        (compare("IsEqualTo", "item:HasAttachments", "0"), {"Alpha order", "beta ORDER", "Gamma note"}),
        (compare("IsGreaterThan", "item:Size", "100000000"), set()),
        (compare("IsEqualTo", "item:Categories", "Blue category"), {"Gamma note"}),
        (
            '<t:Contains ContainmentMode="Substring" ContainmentComparison="IgnoreCase">'
            '<t:FieldURI FieldURI="item:Subject"/><t:Constant Value="order"/></t:Contains>',
            {"Alpha order", "beta ORDER"},
        ),
        (
            '<t:Contains ContainmentMode="Substring" ContainmentComparison="Exact">'
            '<t:FieldURI FieldURI="item:Subject"/><t:Constant Value="order"/></t:Contains>',
            {"Alpha order"},
        ),
        (
            '<t:Contains ContainmentMode="Substring" ContainmentComparison="IgnoreCase">'
            '<t:FieldURI FieldURI="message:ToRecipients"/><t:Constant Value="dana"/></t:Contains>',
            {"Alpha order", "beta ORDER", "Gamma note"},
        ),
        (
            "<t:And>"
            '<t:Contains ContainmentMode="Prefixed" ContainmentComparison="IgnoreCase">'
            '<t:FieldURI FieldURI="item:Subject"/><t:Constant Value="B"/></t:Contains>'
            f"<t:Not>{compare('IsEqualTo', 'item:Importance', 'Normal')}</t:Not></t:And>",
            {"beta ORDER"},
        ),
        (
            f"<t:Or>{compare('IsEqualTo', 'item:Subject', 'Gamma note')}"
            f"{compare('IsEqualTo', 'item:Subject', 'Alpha order')}</t:Or>",
            {"Alpha order", "Gamma note"},
        ),
        ('<t:Exists><t:FieldURI FieldURI="item:Categories"/></t:Exists>', {"Gamma note"}),
        (
            '<t:IsEqualTo><t:ExtendedFieldURI PropertyTag="0x1035" PropertyType="String"/><t:FieldURIOrConstant>'
            '<t:Constant Value="&lt;none&gt;"/></t:FieldURIOrConstant></t:IsEqualTo>',
            set(),
        ),
        (
            '<t:Excludes><t:ExtendedFieldURI PropertyTag="0x0E07" PropertyType="Integer"/>'
            '<t:Bitmask Value="0x8"/></t:Excludes>',
            set(),
        ),
    ],
)
def test_restrictions_pick_what_they_say(client, three, expression, wanted):
    ours = {"Alpha order", "beta ORDER", "Gamma note"}
    response = client.call(find_item(restriction(expression), shape=SUBJECT, folder="drafts"))
    assert client.codes(response) == ["NoError"]
    assert set(subjects(client, response)) & ours == wanted


def test_times_are_compared_as_moments_whatever_their_offset(client, three):
    moment = three[1].created_at
    shifted = (moment + timedelta(hours=2)).strftime("%Y-%m-%dT%H:%M:%S+02:00")
    response = client.call(
        find_item(
            restriction(compare("IsGreaterThanOrEqualTo", "item:DateTimeCreated", shifted)),
            shape=SUBJECT,
            folder="drafts",
        )
    )
    assert set(subjects(client, response)) == {"beta ORDER", "Gamma note"}


def test_order_follows_the_criteria_in_their_order(client, three):
    order = (
        '<m:SortOrder><t:FieldOrder Order="Descending"><t:FieldURI FieldURI="item:Importance"/></t:FieldOrder>'
        '<t:FieldOrder Order="Ascending"><t:FieldURI FieldURI="item:Subject"/></t:FieldOrder></m:SortOrder>'
    )
    ours = {"Alpha order", "beta ORDER", "Gamma note"}
    response = client.call(find_item(order, shape=SUBJECT, folder="drafts"))
    assert [name for name in subjects(client, response) if name in ours] == [
        "Alpha order",
        "Gamma note",
        "beta ORDER",
    ]


def test_words_are_searched_with_a_query_string(client, three):
    response = client.call(
        find_item("", shape=SUBJECT, folder="drafts", after="<m:QueryString>subject:gamma</m:QueryString>")
    )
    assert subjects(client, response) == ["Gamma note"]


@pytest.mark.parametrize("uri", ["item:Body", "message:ToRecipients", "item:Attachments", "item:MimeContent"])
def test_finding_never_returns_bodies_or_recipients(client, uri):
    response = client.call(find_item("", shape=f'<t:FieldURI FieldURI="{uri}"/>'))
    assert client.codes(response) == ["ErrorInvalidPropertyRequest"]
    assert client.one(response, ".//m:MessageXml/t:FieldURI").get("FieldURI") == uri


@pytest.mark.parametrize("base", ["IdOnly", "Default", "AllProperties"])
@pytest.mark.parametrize("folder", ["inbox", "sentitems", "drafts", "calendar"])
def test_every_base_shape_of_every_item_follows_the_schema(client, three, base, folder):
    ids = client.find_ids(folder)
    assert ids
    nodes = "".join(f'<t:ItemId Id="{item_id}"/>' for item_id in ids)
    response = client.call(
        f"<m:GetItem><m:ItemShape><t:BaseShape>{base}</t:BaseShape><t:IncludeMimeContent>true</t:IncludeMimeContent>"
        f"</m:ItemShape><m:ItemIds>{nodes}</m:ItemIds></m:GetItem>"
    )
    assert set(client.codes(response)) == {"NoError"}
    assert [node.get("Id") for node in client.all(response, ".//m:Items/*/t:ItemId")] == ids


def test_body_type_converts_the_body(client, three):
    item_id = client.find_ids("drafts")[0]
    by_type = {
        kind: client.one(
            client.get_item(
                item_id,
                f"<t:BaseShape>IdOnly</t:BaseShape><t:BodyType>{kind}</t:BodyType><t:AdditionalProperties>"
                '<t:FieldURI FieldURI="item:Body"/></t:AdditionalProperties>',
            ),
            "t:Body",
        )
        for kind in ("Best", "HTML", "Text")
    }
    assert by_type["Best"].get("BodyType") == "HTML"
    assert by_type["HTML"].text == "<p>Body 2</p>"
    assert by_type["Text"].get("BodyType") == "Text"
    assert "<p>" not in by_type["Text"].text


def test_message_times_names_and_recipients_are_the_stored_ones(client, three):
    item = client.get_item(client.find_ids("drafts")[0])
    assert client.text(item, "t:ToRecipients/t:Mailbox/t:EmailAddress") == DANA.address
    assert client.text(item, "t:DisplayTo") == "Dana Okafor"
    assert client.text(item, "t:From/t:Mailbox/t:EmailAddress") == TOM.address
    assert client.text(item, "t:IsDraft") == "true"
    assert client.text(item, "t:DateTimeCreated") == three[2].created_at.strftime("%Y-%m-%dT%H:%M:%SZ")
    assert client.text(item, "t:Categories/t:String") == "Blue category"


def test_characters_xml_cannot_carry_do_not_break_the_answer(client):
    create_draft(client.mailbox(), Message(subject="bell \x07 & <tag> \ufffe end", to=(DANA,)))
    item = client.get_item(client.find_ids("drafts")[0])
    assert client.text(item, "t:Subject") == "bell  & <tag>  end"


def test_ids_are_case_sensitive(client):
    item_id = client.find_ids()[0]
    head, tail = item_id[:60], item_id[60:]
    response = client.call(
        "<m:GetItem><m:ItemShape><t:BaseShape>IdOnly</t:BaseShape></m:ItemShape><m:ItemIds>"
        f'<t:ItemId Id="{head + tail.swapcase()}"/></m:ItemIds></m:GetItem>'
    )
    assert client.codes(response)[0] in {"ErrorInvalidIdMalformed", "ErrorItemNotFound"}
    assert client.one(response, ".//m:Items") is not None


def test_each_id_is_answered_in_its_place(client):
    first, second = client.find_ids()[:2]
    folder = client.call(
        "<m:GetFolder><m:FolderShape><t:BaseShape>IdOnly</t:BaseShape></m:FolderShape><m:FolderIds>"
        '<t:DistinguishedFolderId Id="inbox"/></m:FolderIds></m:GetFolder>'
    )
    folder_id = client.one(folder, ".//t:FolderId").get("Id")
    response = client.call(
        "<m:GetItem><m:ItemShape><t:BaseShape>IdOnly</t:BaseShape></m:ItemShape><m:ItemIds>"
        f'<t:ItemId Id="{first}"/><t:ItemId Id="junk"/><t:ItemId Id="{folder_id}"/><t:ItemId Id=""/>'
        f'<t:ItemId Id="{second}" ChangeKey="***"/><t:ItemId Id="{second}"/></m:ItemIds></m:GetItem>'
    )
    assert client.codes(response) == [
        "NoError",
        "ErrorInvalidIdMalformed",
        "ErrorCannotUseFolderIdForItemId",
        "ErrorInvalidIdEmpty",
        "ErrorInvalidChangeKey",
        "NoError",
    ]


def test_item_of_another_mailbox_is_not_found(client):
    create_draft(client.mailbox(DANA.address), Message(subject="Private", to=(TOM,)))
    item_id = client.find_ids("drafts", as_user=DANA.address)[0]
    response = client.call(
        "<m:GetItem><m:ItemShape><t:BaseShape>IdOnly</t:BaseShape></m:ItemShape><m:ItemIds>"
        f'<t:ItemId Id="{item_id}"/></m:ItemIds></m:GetItem>'
    )
    assert client.codes(response) == ["ErrorItemNotFound"]


def test_id_formats_convert_there_and_back(client):
    ews_id = client.find_ids()[0]

    def convert(text: str, source: str, target: str) -> str:
        response = client.call(
            f'<m:ConvertId DestinationFormat="{target}"><m:SourceIds>'
            f'<t:AlternateId Format="{source}" Id="{text}" Mailbox="{TOM.address}"/></m:SourceIds></m:ConvertId>'
        )
        assert client.codes(response) == ["NoError"]
        return client.one(response, ".//m:AlternateId").get("Id")

    for target in ("EntryId", "HexEntryId", "StoreId", "OwaId", "EwsId"):
        there = convert(ews_id, "EwsId", target)
        assert convert(there, target, "EwsId") == ews_id


def test_the_version_probe_of_clients_gets_an_error_message_and_the_version(client):
    response = client.call(
        '<m:ConvertId DestinationFormat="EntryId"><m:SourceIds>'
        '<t:AlternateId Format="EwsId" Id="DUMMY" Mailbox="DUMMY"/></m:SourceIds></m:ConvertId>'
    )
    assert client.codes(response) == ["ErrorInvalidIdMalformed"]


def test_all_windows_zones_come_with_their_rules(client):
    response = client.call('<m:GetServerTimeZones ReturnFullTimeZoneData="true"/>')
    zones = client.all(response, ".//t:TimeZoneDefinition")
    assert len(zones) > 100
    berlin = next(zone for zone in zones if zone.get("Id") == "W. Europe Standard Time")
    assert [period.get("Bias") for period in client.all(berlin, ".//t:Period")] == ["-PT1H", "-PT2H"]
    assert [node.text for node in client.all(berlin, ".//t:Occurrence")] == ["-1", "-1"]


def test_only_the_zones_asked_for_come(client):
    response = client.call(
        '<m:GetServerTimeZones ReturnFullTimeZoneData="false"><m:Ids><t:Id>UTC</t:Id><t:Id>Atlantis</t:Id></m:Ids>'
        "</m:GetServerTimeZones>"
    )
    assert [node.get("Id") for node in client.all(response, ".//t:TimeZoneDefinition")] == ["UTC"]


def test_extended_properties_come_with_their_path(client):
    item_id = client.find_ids()[0]
    item = client.get_item(
        item_id,
        "<t:BaseShape>IdOnly</t:BaseShape><t:AdditionalProperties>"
        '<t:ExtendedFieldURI PropertyTag="0x1035" PropertyType="String"/>'
        '<t:ExtendedFieldURI DistinguishedPropertySetId="PublicStrings" PropertyName="ours" PropertyType="String"/>'
        '<t:IndexedFieldURI FieldURI="item:InternetMessageHeader" FieldIndex="Message-ID"/></t:AdditionalProperties>',
    )
    values = client.all(item, "t:ExtendedProperty")
    assert len(values) == 1, etree.tostring(item)
    assert client.one(values[0], "t:ExtendedFieldURI").get("PropertyTag") == "0x1035"
    assert client.text(values[0], "t:Value") == client.text(item, ".//t:InternetMessageHeader")


def test_a_property_of_folders_finds_no_items(client):
    response = client.call(find_item(restriction(compare("IsEqualTo", "folder:DisplayName", "Inbox"))))
    assert client.codes(response) == ["NoError"]
    assert client.all(response, ".//t:ItemId") == []
