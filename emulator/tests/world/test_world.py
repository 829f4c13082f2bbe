"""Seeds, snapshots, persistence, the clock and the keys of a world."""

from __future__ import annotations

import json
import pickle
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from m365_emulator.world.clock import Clock
from m365_emulator.world.keys import KeyRing
from m365_emulator.world.mailbox import Message, Recipient
from m365_emulator.world.mailbox.delivery import send
from m365_emulator.world.mailbox.held import DEFERRED_SEND_TIME, release_due
from m365_emulator.world.request_log import LoggedRequest, RequestLog, mask, mask_header
from m365_emulator.world.seed import SeedError, SeedSource
from m365_emulator.world.snapshot import SnapshotError, dump, format_mark, load, restore, save
from m365_emulator.world.world import World

TOM = "tom.ellis@harbourvale.example"


def subjects(world: World) -> list[str]:
    mailbox = world.find_mailbox(TOM)
    assert mailbox is not None
    return [item.subject for item in mailbox.all_mail()]


def test_equal_seeds_give_equal_worlds_in_whatever_order_mailboxes_are_opened() -> None:
    one, other = (World(source=SeedSource(messages_per_mailbox=30)) for _ in range(2))
    other.find_mailbox("sales.one@harbourvale.example")

    assert subjects(one) == subjects(other)
    assert len(subjects(one)) == 30
    assert [user.oid for user in one.tenants[1].users] == [user.oid for user in other.tenants[1].users]


def test_another_seed_gives_other_mail() -> None:
    source = SeedSource(messages_per_mailbox=30)

    assert subjects(World(seed=1, source=source)) != subjects(World(seed=2, source=source))


def test_people_are_found_by_any_address_in_any_case() -> None:
    world = World()

    tom = world.find_user("T.Ellis@HarbourVale.Example")

    assert tom is not None
    assert tom is world.find_user(TOM.upper()) is world.find_user(tom.oid)
    finance = world.find_user("accounts@harbourvale.example")
    assert finance is not None
    assert finance.upn == "finance.one@harbourvale.example"


def test_a_found_person_is_forgotten_when_deleted_or_renamed() -> None:
    world = World()
    tom = world.find_user(TOM)
    assert tom is not None
    tom.deleted = True
    assert world.find_user(TOM) is None
    tom.deleted, tom.upn, tom.mail, tom.proxy_addresses = False, "new@harbourvale.example", None, []

    assert world.find_user(TOM) is None
    assert world.find_user("new@harbourvale.example") is tom


@pytest.mark.parametrize(
    "address",
    [
        "contractor.one@harbourvale.example",
        "warehouse.one@harbourvale.example",
        "nobody@harbourvale.example",
        "partner.one_other-company.example#EXT#@harbourvale.example",
    ],
)
def test_people_without_a_usable_mailbox_have_none(address: str) -> None:
    assert World().find_mailbox(address) is None


def test_a_snapshot_brings_back_people_grants_mail_and_time() -> None:
    world = World(source=SeedSource(messages_per_mailbox=5))
    before = subjects(world)
    world.clock.advance(timedelta(days=3))
    taken = dump(world)

    tom = world.find_user(TOM)
    assert tom is not None
    tom.licensed = False
    world.tenants[1].grants.clear()
    world.clock.reset()
    restore(world, taken)

    assert subjects(world) == before
    assert world.tenants[1].grants
    assert timedelta(days=2, hours=23) < world.clock.offset < timedelta(days=3, hours=1)
    mailbox = world.find_mailbox(TOM)
    assert mailbox is not None
    assert mailbox.world is world


def test_a_world_survives_a_restart(tmp_path: Path) -> None:
    first = World(source=SeedSource(messages_per_mailbox=5))
    before = subjects(first)
    save(first, tmp_path / "world")

    second = World(source=SeedSource("empty"))
    load(second, tmp_path / "world")

    assert subjects(second) == before
    assert [path.name for path in tmp_path.iterdir()] == ["world"]


def test_a_snapshot_brings_back_mail_that_waits_for_its_time() -> None:
    world = World()
    sender = world.find_mailbox("tom.ellis@harbourvale.example")
    receiver = world.find_mailbox("dana.okafor@harbourvale.example")
    assert sender is not None
    assert receiver is not None
    moment = (world.clock.now() + timedelta(hours=1)).isoformat()
    send(
        sender,
        Message(
            subject="Later",
            to=(Recipient("Dana", receiver.address),),
            properties={DEFERRED_SEND_TIME: moment},
        ),
    )
    kept = dump(world)
    world.reset()
    assert not world.held

    restore(world, kept)
    world.clock.advance(timedelta(hours=2))
    release_due(world)

    inbox = world.find_mailbox("dana.okafor@harbourvale.example").well_known("inbox")  # type: ignore[union-attr]
    assert [item.subject for item in inbox.items.values()].count("Later") == 1


def test_a_snapshot_from_elsewhere_runs_no_code(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (Path.touch, (tmp_path / "pwned",))  # type: ignore[return-value]

    world = World()
    through_a_module = b"cm365_emulator.world.snapshot\nos.getpid\n(tR."
    through_a_function = b"cm365_emulator.world.snapshot\ndump\n(tR."
    for data in (
        format_mark() + through_a_module,
        format_mark() + through_a_function,
        format_mark() + pickle.dumps(Evil()),
        format_mark() + b"\x80garbage",
        b"nothing",
        format_mark() + pickle.dumps(42),
    ):
        with pytest.raises(SnapshotError):
            restore(world, data)

    assert not (tmp_path / "pwned").exists()
    assert world.find_user(TOM) is not None


def test_a_snapshot_of_another_version_is_refused_whole() -> None:
    world = World()
    data = dump(world)
    line, _, rest = data.partition(b"\n")

    with pytest.raises(SnapshotError, match="not a snapshot of this version"):
        restore(world, line[:-1] + b"?\n" + rest)


def test_every_exchange_can_be_recorded(tmp_path: Path) -> None:
    log = RequestLog(limit=2, record_to=tmp_path / "log.jsonl")
    for number in range(3):
        log.add(LoggedRequest(log.next_number(), "now", "GET", "host", f"/{number}", "", 200, 1.0))

    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line["path"] for line in lines] == ["/0", "/1", "/2"]
    assert [entry.path for entry in log.newest(5)] == ["/2", "/1"]


def test_reset_rebuilds_everything() -> None:
    world = World(source=SeedSource(redirect_uris=["https://app.example/return"], client_secrets=["own"]))
    world.faults.add(status=500)
    world.clock.advance(timedelta(days=1))
    world.tenants.clear()

    world.reset()

    app = next(iter(world.apps.values()))
    assert len(world.tenants) == 5
    assert len(world.faults) == 0
    assert world.clock.offset < timedelta(minutes=1)
    assert app.find_redirect_uri("https://app.example/return")
    assert [secret.value for secret in app.secrets] == ["own"]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("- a", "must be a mapping"),
        ("tenants: [", "not valid YAML"),
        ("tenant: []", "Unknown key in the file: tenant"),
        ("tenants: [{name: A}]", "needs 'domains'"),
        ("tenants: [{name: A, domains: [a.example], policies: {mfa: true}}]", "Unknown policy: mfa"),
        ("tenants: [{name: A, domains: [a.example], policies: {user_consent: maybe}}]", "cannot be 'maybe'"),
        (
            "tenants: [{name: A, domains: [a.example], people: [{name: B, address: b@c.example}]}]",
            "not in a domain",
        ),
        (
            "tenants: [{name: A, domains: [a.example], people: [{name: B, address: b@a.example, roles: [King]}]}]",
            "Unknown directory role",
        ),
        ("apps: [{name: X, home: nowhere.example}]", "home tenant"),
        ("tenants: 5", "wrong kind"),
        ("tenants: [{name: A, domains: [a.example], people: [5]}]", "wrong kind"),
        ("messages_per_mailbox: many", "wrong kind"),
    ],
)
def test_wrong_seed_files_say_what_is_wrong(tmp_path: Path, text: str, complaint: str) -> None:
    path = tmp_path / "seed.yaml"
    path.write_text(text)

    with pytest.raises(SeedError, match=complaint):
        World(source=SeedSource(str(path)))


def test_missing_seed_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(SeedError, match="Cannot read"):
        World(source=SeedSource(str(tmp_path / "none.yaml")))


def test_clock_runs_freezes_and_comes_back() -> None:
    clock = Clock()
    moment = datetime(2027, 4, 1, tzinfo=UTC)

    assert clock.set(moment) - moment < timedelta(seconds=1)
    clock.freeze()
    assert clock.now() == clock.now()
    assert clock.advance(timedelta(days=1)) == clock.now()
    clock.resume()
    clock.reset()
    assert abs(clock.offset) < timedelta(seconds=1)


def test_keys_are_kept_between_starts_and_readable_only_by_their_owner(tmp_path: Path) -> None:
    path = tmp_path / "keys.pem"
    first = KeyRing(path)
    kids = [key.kid for key in first.keys]
    first.roll()

    again = KeyRing(path)

    assert [key.kid for key in again.keys][:2] == kids
    assert again.current.kid == kids[1]
    assert path.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    "text",
    [
        "grant_type=refresh_token&refresh_token=1.AbCdEfGhIj&client_secret=hunter2-hunter2",
        '{"client_secret": "hunter2-hunter2", "refresh_token":"1.AbCdEfGhIj"}',
    ],
)
def test_secrets_are_masked_in_the_log(text: str) -> None:
    shown = mask(text)

    assert "hunter2-hunter2" not in shown
    assert "AbCdEfGhIj" not in shown
    assert mask_header("authorization", "Bearer abc.def") == "Bearer …"
    assert "secret" not in mask_header("cookie", "session=secret; other=secret")
