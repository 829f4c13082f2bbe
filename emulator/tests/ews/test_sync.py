"""SyncFolderItems: a client that follows it always ends with what is in the folder."""

from __future__ import annotations

from m365_emulator.world.mailbox import DeleteMode, Message, Recipient
from m365_emulator.world.mailbox.drafting import create_draft

DANA = Recipient("Dana Okafor", "dana.okafor@harbourvale.example")


def sync(client, folder: str, state: str = "", most: int = 512):
    return client.call(
        "<m:SyncFolderItems><m:ItemShape><t:BaseShape>IdOnly</t:BaseShape></m:ItemShape>"
        f'<m:SyncFolderId><t:DistinguishedFolderId Id="{folder}"/></m:SyncFolderId>'
        f"{state and f'<m:SyncState>{state}</m:SyncState>'}<m:MaxChangesReturned>{most}</m:MaxChangesReturned>"
        "</m:SyncFolderItems>"
    )


class Copy:
    """A client's copy of a folder, kept by sync alone."""

    def __init__(self, client, folder: str) -> None:
        self.client, self.folder = client, folder
        self.state = ""
        self.ids: set[str] = set()
        self.kinds: list[str] = []

    def step(self, most: int = 512) -> bool:
        response = sync(self.client, self.folder, self.state, most)
        assert self.client.codes(response) == ["NoError"]
        self.state = self.client.text(response, ".//m:SyncState")
        for change in self.client.one(response, ".//m:Changes"):
            kind = change.tag.split("}")[1]
            item_id = self.client.one(change, ".//t:ItemId").get("Id")
            self.kinds.append(kind)
            (self.ids.discard if kind == "Delete" else self.ids.add)(item_id)
        return self.client.text(response, ".//m:IncludesLastItemInRange") == "true"

    def follow(self, most: int = 512) -> None:
        while not self.step(most):
            pass


def test_the_first_round_lists_the_folder_newest_first(client):
    copy = Copy(client, "inbox")
    copy.follow()
    assert copy.ids == set(client.find_ids("inbox"))
    assert set(copy.kinds) == {"Create"}


def test_small_steps_reach_the_same_as_one_big_one(client):
    copy = Copy(client, "inbox")
    copy.follow(most=4)
    assert copy.ids == set(client.find_ids("inbox"))


def test_what_happens_while_the_first_round_goes_on_is_told_after_it(client):
    copy = Copy(client, "inbox")
    assert not copy.step(most=4)
    mailbox = client.mailbox()
    inbox = mailbox.well_known("inbox")
    first = next(iter(inbox.items.values()))
    mailbox.move(first, mailbox.well_known("archive"))
    create_draft(mailbox, Message(subject="New", to=(DANA,)), inbox)
    copy.follow(most=4)
    copy.follow()
    assert copy.ids == set(client.find_ids("inbox"))


def test_each_kind_of_change_is_told_as_itself(client):
    copy = Copy(client, "inbox")
    copy.follow()
    mailbox = client.mailbox()
    one, two, three, four, *_ = list(mailbox.well_known("inbox").items.values())
    copy.kinds.clear()
    mailbox.update(one, {"subject": "changed"})
    mailbox.update(two, {"is_read": not two.is_read})
    mailbox.move(three, mailbox.well_known("archive"))
    mailbox.delete(four, DeleteMode.HARD)
    create_draft(mailbox, Message(subject="New", to=(DANA,)), mailbox.well_known("inbox"))
    copy.follow()
    assert sorted(copy.kinds) == ["Create", "Delete", "Delete", "ReadFlagChange", "Update"]
    assert copy.ids == set(client.find_ids("inbox"))


def test_a_round_cut_in_two_loses_nothing(client):
    copy = Copy(client, "inbox")
    copy.follow()
    mailbox = client.mailbox()
    made = [
        create_draft(mailbox, Message(subject=str(n), to=(DANA,)), mailbox.well_known("inbox"))
        for n in range(6)
    ]
    mailbox.update(made[0], {"subject": "changed last"})
    assert not copy.step(most=3)
    mailbox.update(made[5], {"subject": "changed in between"})
    copy.follow(most=3)
    assert copy.ids == set(client.find_ids("inbox"))


def test_a_forgotten_log_asks_for_a_new_round(client):
    copy = Copy(client, "inbox")
    copy.follow()
    mailbox = client.mailbox()
    mailbox.log.forget(mailbox.change_number)
    response = sync(client, "inbox", copy.state)
    assert client.codes(response) == ["ErrorInvalidSyncStateData"]
    assert response.find(".//{*}SyncState") is not None
    assert client.text(response, ".//m:IncludesLastItemInRange") == "true"


def test_a_state_of_another_folder_is_refused(client):
    copy = Copy(client, "inbox")
    copy.follow()
    assert client.codes(sync(client, "drafts", copy.state)) == ["ErrorInvalidSyncStateData"]


def test_a_calendar_gives_masters_and_no_occurrences(client):
    copy = Copy(client, "calendar")
    copy.follow()
    assert len(copy.ids) == len(client.mailbox().calendar.items)


def test_a_range_outside_the_schema_is_refused(client):
    body = (
        "<m:SyncFolderItems><m:ItemShape><t:BaseShape>IdOnly</t:BaseShape></m:ItemShape>"
        '<m:SyncFolderId><t:DistinguishedFolderId Id="inbox"/></m:SyncFolderId>'
        "<m:MaxChangesReturned>{}</m:MaxChangesReturned></m:SyncFolderItems>"
    )
    for most in ("0", "513", "many"):
        assert client.fault_code(body.format(most)) == "ErrorSchemaValidation"


def test_a_fresh_round_begins_right_after_the_log_forgot(client):
    mailbox = client.mailbox()
    mailbox.log.forget(mailbox.change_number)
    copy = Copy(client, "inbox")
    copy.follow()
    assert copy.ids == set(client.find_ids("inbox"))
    copy.follow()
