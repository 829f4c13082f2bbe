"""What one client writes, every other reads back as it was meant: mail and a recurring meeting, over Graph and EWS."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from m365_emulator.pytest_plugin import RunningEmulator
from matrix.model import Client, Mail, Meeting
from matrix.with_exchangelib import ExchangelibClient
from matrix.with_graph_sdk import GraphSDKClient
from matrix.with_o365 import O365Client
from matrix.with_requests import PlainClient
from sample import DANA

pytestmark = [
    pytest.mark.clients,
    # O365 leaves sessions open; the Graph SDK loads deprecated classes of its own.
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
    pytest.mark.filterwarnings("ignore:This class is deprecated:DeprecationWarning"),
]
NAMES = ("exchangelib", "msgraph-sdk", "O365", "plain")
Make = Callable[[str], Client]


@pytest_asyncio.fixture
async def make(
    m365_emulator: RunningEmulator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> AsyncIterator[Make]:
    """Make a client by its name."""
    for name, value in m365_emulator.stand_in_environment().items():
        monkeypatch.setenv(name, value)
    made: dict[str, Client] = {}

    def client(name: str) -> Client:
        if name not in made:
            made[name] = {
                "exchangelib": ExchangelibClient,
                "msgraph-sdk": lambda: GraphSDKClient(m365_emulator),
                "O365": lambda: O365Client(tmp_path),
                "plain": lambda: PlainClient(m365_emulator.http_url),
            }[name]()
        return made[name]

    yield client
    for one in made.values():
        await one.close()


@pytest.mark.parametrize("writer", NAMES)
async def test_mail_of_one_client_is_read_by_every_other(make: Make, writer: str) -> None:
    mail = Mail(subject=f"Parts, by {writer}")
    await make(writer).write_mail(mail)
    for reader in NAMES:
        assert await make(reader).read_mail(mail.subject) == mail, f"{writer} -> {reader}"


@pytest.mark.parametrize("writer", NAMES)
async def test_a_meeting_of_one_client_is_read_by_every_other(
    make: Make, writer: str, m365_emulator: RunningEmulator
) -> None:
    meeting = Meeting(subject=f"Review, by {writer}")
    await make(writer).write_meeting(meeting)
    for reader in NAMES:
        assert await make(reader).read_meeting(meeting.subject) == meeting, f"{writer} -> {reader}"
    invited = [item.subject for item in m365_emulator.world.find_mailbox(DANA).calendar.items.values()]
    assert invited.count(meeting.subject) == 1


async def test_an_id_of_one_service_names_the_same_item_in_the_other(
    make: Make, m365_emulator: RunningEmulator
) -> None:
    exchange, plain = make("exchangelib"), make("plain")
    assert isinstance(exchange, ExchangelibClient)
    assert isinstance(plain, PlainClient)
    over_ews = {item.id: item.subject for item in exchange.account.inbox.all().only("subject")}
    targets = plain.translate(list(over_ews), "ewsId", "restImmutableEntryId")
    assert {plain.subject_of(target): None for target in targets.values()}.keys() == set(over_ews.values())

    item = exchange.account.inbox.all()[0]
    immutable = targets[item.id]
    item.move(exchange.account.drafts)
    assert plain.subject_of(immutable) == item.subject, "the immutable id outlives the move"
    assert plain.translate([item.id], "ewsId", "restImmutableEntryId") == {item.id: immutable}
    assert plain.translate([immutable], "restImmutableEntryId", "ewsId") == {immutable: item.id}
