"""Notifications: made to come, checked, kept before they are acknowledged, and never believed."""

from __future__ import annotations

import asyncio
import base64
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import pytest_asyncio
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from sqlalchemy import text

from ostiary.adapters.sql.sync import SQLSyncStore
from ostiary.core.audit.model import SYSTEM
from ostiary.core.kernel.access_method import AccessMethod
from ostiary.core.kernel.reach import Duty, declared, instance_wide
from ostiary.core.sync.model import Source
from ostiary.core.sync.subscriptions import PATH, state_hash
from ostiary.entrypoints.worker.following import hold_streams
from ostiary.entrypoints.worker.runner import Worker

from ...conftest import NOW
from ..connect_world import HARBOUR
from .conftest import Followed


@pytest_asyncio.fixture
async def pushed(followed: Followed) -> Followed:
    """Read once, and subscribed."""
    await followed.read()
    assert await followed.app.subscriptions.keep() == 2
    await followed.read()
    await followed.news()
    return followed


def remote(followed: Followed) -> list[dict[str, Any]]:
    return list(followed.emulator.control("GET", "/subscriptions")["graph"])


async def row(followed: Followed, source: Source = Source.MAIL) -> Any:
    async with followed.app.transactions() as tx:
        (found,) = [
            each
            for each in await tx.subscriptions.of_connection(followed.connection.id)
            if each.source is source
        ]
    return found


async def address(followed: Followed, source: Source = Source.MAIL) -> str:
    """Path of the address that Microsoft posts to."""
    found = await row(followed, source)
    return urlsplit(followed.app.notifications._paths.url(found.id)).path


async def marked(followed: Followed) -> dict[str, int]:
    async with followed.app.transactions() as tx:
        rows = await tx._connection.execute(text("SELECT source, mark - done_mark FROM sync_states"))
        return {row[0]: row[1] for row in rows}


async def known_secret(followed: Followed) -> str:
    """Make the mail subscription's client state one that the test knows: nobody can read the real one back."""
    secret = "s" * 43
    async with followed.app.transactions() as tx:
        await tx._connection.execute(
            text("UPDATE graph_subscriptions SET client_state_hash = :hash WHERE source = 'mail'"),
            {"hash": state_hash(secret)},
        )
    followed.app.notifications._known.clear()
    return secret


def post_of(subscription_id: str, client_state: str, **changes: Any) -> dict[str, Any]:
    values: dict[str, Any] = {
        "subscriptionId": subscription_id,
        "clientState": client_state,
        "changeType": "created",
        "tenantId": HARBOUR,
        "resource": "Users/x/Messages/y",
        "resourceData": {"@odata.type": "#Microsoft.Graph.Message", "id": "AAkA-1"},
    }
    return {"value": [values | changes]}


async def test_a_change_reaches_the_feed_because_microsoft_tells(pushed: Followed) -> None:
    truth = pushed.truth
    new_id = await truth.write("told")

    async def heard() -> bool:
        await pushed.app.sync.read_due()
        return bool(await pushed.told())

    await pushed.until(heard)
    assert [(event.type.value, event.data.get("message_id")) for event in pushed.seen[-1:]] == [
        ("message.created", new_id)
    ]
    # Only the folder that was named was read.
    asked = [each["path"] for each in pushed.emulator.requests("/messages/delta", limit=10)]
    assert len(set(asked[:1])) == 1

    moved = await truth.move(new_id, "archive")
    assert moved == new_id
    await pushed.until(heard)
    await truth.purge(new_id)
    await pushed.until(heard)
    kinds = [event.type.value for event in pushed.seen if event.data.get("message_id") == new_id]
    assert kinds == ["message.created", "message.moved", "message.deleted"]


async def test_handshakes_are_echoed_only_while_a_subscription_is_made(
    pushed: Followed, client: httpx.AsyncClient
) -> None:
    found = await row(pushed)
    path = await address(pushed)
    token = "<script>alert(1)</script> &+%20"
    answer = await client.post(path, params={"validationToken": token})
    assert (answer.status_code, answer.text) == (404, "")

    async with pushed.app.transactions() as tx:
        await tx._connection.execute(
            text("UPDATE graph_subscriptions SET state = 'creating', created_at = :now WHERE id = :id"),
            {"id": found.id, "now": pushed.app.clock.now()},
        )
    answer = await client.post(path, params={"validationToken": token})
    assert (answer.status_code, answer.text) == (200, token)
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in answer.headers["content-security-policy"]
    assert (await client.post(path, params={"validationToken": "x" * 2049})).status_code == 404
    assert (await client.post(path[:-1] + "x", params={"validationToken": "x"})).status_code == 404
    pushed.app.clock.advance(timedelta(minutes=6))
    assert (await client.post(path, params={"validationToken": "x"})).status_code == 404


async def test_only_what_is_of_the_subscription_marks_the_mailbox(
    pushed: Followed, client: httpx.AsyncClient
) -> None:
    secret = await known_secret(pushed)
    found, path = await row(pushed), await address(pushed)
    good = post_of(found.microsoft_id, secret)

    wrong: list[Any] = [
        post_of(found.microsoft_id, secret[:-1] + "x"),
        post_of(found.microsoft_id, ""),
        post_of("00000000-0000-0000-0000-000000000000", secret),
        post_of(found.microsoft_id, secret, tenantId="00000000-0000-0000-0000-000000000000"),
        post_of(
            found.microsoft_id, secret, resourceData={"@odata.type": "#Microsoft.Graph.Event", "id": "x"}
        ),
        post_of(found.microsoft_id, secret, lifecycleEvent="somethingElse"),
        {"value": ["x", 1, None, {}]},
        {"value": {}},
        [],
    ]
    for body in wrong:
        answer = await client.post(path, json=body)
        assert (answer.status_code, answer.text) == (202, ""), body
    assert (await client.post(path, content=b"\xff{")).status_code == 202
    assert await marked(pushed) == {"mail": 0, "calendar": 0}

    answer = await client.post(path, json=good)
    assert answer.status_code == 202
    # Answered before the framework, behind the layers that every answer passes.
    assert answer.headers["x-request-id"].startswith("RQ-")
    assert answer.headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert answer.headers["cache-control"] == "no-store"
    assert (await client.post(path, json=good, headers={"Host": "elsewhere.example"})).status_code == 421
    assert await marked(pushed) == {"mail": 1, "calendar": 0}
    assert (await client.post(path, content=b"x" * (1024 * 1024 + 1))).status_code == 413
    assert (await client.post(f"{PATH}/sub_x.AAAA", json=good)).status_code == 404
    assert secret not in await dump(pushed)


async def dump(followed: Followed) -> str:
    async with followed.app.transactions() as tx:
        rows = await tx._connection.execute(text("SELECT * FROM graph_subscriptions"))
        return repr(rows.all())


async def test_nothing_is_acknowledged_that_is_not_kept(
    pushed: Followed, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = await known_secret(pushed)
    found, path = await row(pushed), await address(pushed)

    async def full(*_: Any, **__: Any) -> int:
        raise OSError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(SQLSyncStore, "mark", full)
        answer = await client.post(path, json=post_of(found.microsoft_id, secret))
        assert answer.status_code == 503
    assert await marked(pushed) == {"mail": 0, "calendar": 0}

    bodies = [post_of(found.microsoft_id, secret, resourceData={"id": f"AAkA-{n}"}) for n in range(30)]
    answers = await asyncio.gather(*(client.post(path, json=body) for body in bodies))
    assert {answer.status_code for answer in answers} == {202}
    async with pushed.app.transactions() as tx:
        kept = set(await tx._connection.scalars(text("SELECT item_id FROM sync_hints")))
    assert kept == {f"AAkA-{n}" for n in range(30)}
    # Posts that come together are kept together.
    assert 0 < (await marked(pushed))["mail"] < 30


async def test_subscriptions_are_renewed_at_half_life_and_made_anew_when_lost(pushed: Followed) -> None:
    app = pushed.app
    first = {each["id"] for each in remote(pushed)}
    found = await row(pushed)
    assert found.renew_at is not None
    assert found.expires_at is not None
    half = (found.expires_at - app.clock.now()) / 2
    assert abs(found.renew_at - app.clock.now() - half) <= half * 0.11
    assert await app.subscriptions.keep() == 0

    move(pushed, timedelta(days=4))
    assert await app.subscriptions.keep() == 2
    assert {each["id"] for each in remote(pushed)} == first
    assert (await row(pushed)).expires_at > found.expires_at

    move(pushed, timedelta(days=8))
    assert remote(pushed) == []
    assert await app.subscriptions.keep() == 2
    assert len(remote(pushed)) == 2
    assert {each["id"] for each in remote(pushed)} & first == set()
    assert await marked(pushed) != {"mail": 0, "calendar": 0}, "nobody told of what happened meanwhile"


async def test_lifecycle_notifications_lead_to_renewal_recreation_and_reading(pushed: Followed) -> None:
    app = pushed.app
    (mail,) = [each["id"] for each in remote(pushed) if each["resource"].endswith("messages")]
    before = await row(pushed)
    pushed.app.clock.advance(timedelta(hours=1))
    pushed.emulator.control("POST", "/clock", {"set": app.clock.now().isoformat()})

    def send(event: str) -> None:
        pushed.emulator.control("POST", f"/subscriptions/{mail}/lifecycle", {"event": event})

    send("reauthorizationRequired")

    async def is_due() -> bool:
        found = await row(pushed)
        return found.renew_at is not None and found.renew_at <= app.clock.now()

    await pushed.until(is_due)
    assert await app.subscriptions.keep() == 1
    assert (await row(pushed)).expires_at > before.expires_at

    send("missed")
    await pushed.until(lambda: some_marked(pushed))
    await pushed.read()
    send("subscriptionRemoved")
    await pushed.until(lambda: some_marked(pushed))
    async with app.transactions() as tx:
        assert len(await tx.subscriptions.of_connection(pushed.connection.id)) == 1
    app.clock.advance(timedelta(minutes=6))
    assert await app.subscriptions.keep() == 1
    assert mail not in {each["id"] for each in remote(pushed)}
    assert len(remote(pushed)) == 2


async def some_marked(followed: Followed) -> bool:
    return (await marked(followed))["mail"] > 0


async def test_orphans_at_microsoft_are_removed_and_strangers_left_alone(pushed: Followed) -> None:
    own = {each["id"] for each in remote(pushed)}
    orphan = await row(pushed)
    async with pushed.app.transactions() as tx:
        await tx.subscriptions.remove(orphan.id)
    assert await pushed.app.subscriptions.audit() == 1
    left = {each["id"] for each in remote(pushed)}
    assert left == own - {orphan.microsoft_id}
    assert await pushed.app.subscriptions.audit() == 0


async def test_poll_only_instances_subscribe_to_nothing_and_miss_nothing(followed: Followed) -> None:
    followed.app.subscriptions._push = False
    await followed.read()
    assert await followed.app.subscriptions.keep() == 0
    assert remote(followed) == []
    await followed.news()
    new_id = await followed.truth.write("found by looking")
    assert await followed.app.sync.read_due() == 0, "not yet"
    move(followed, timedelta(seconds=61))
    await followed.read()
    assert await followed.told() == [("message.created", new_id)]


def move(followed: Followed, by: timedelta) -> None:
    followed.app.clock.advance(by)
    followed.emulator.control("POST", "/clock", {"set": followed.app.clock.now().isoformat()})


@pytest.mark.parametrize("followed", [AccessMethod.EWS], indirect=True, ids=["ews"])
async def test_streams_tell_of_changes_and_survive_their_loss(followed: Followed) -> None:
    app = followed.app
    await followed.read()
    await followed.news()
    assert await app.streams.look() == 1
    try:

        async def heard() -> bool:
            await app.sync.read_due()
            return bool(await followed.told())

        await followed.until(lambda: is_open(followed))
        await followed.read()
        first = await followed.truth.write("streamed")
        await followed.until(heard)
        assert followed.seen[-1].data["message_id"] == first
        moved = await followed.truth.move(first, "archive")
        await followed.until(heard)
        assert (followed.seen[-1].type.value, followed.seen[-1].data["message_id"]) == (
            "message.moved",
            moved,
        )

        followed.emulator.control("POST", "/services/ews/lose-subscriptions")
        second = await followed.truth.write("after the loss")
        await followed.until(heard)
        assert followed.seen[-1].data["message_id"] == second
    finally:
        await app.streams.close()
    async with app.transactions() as tx:
        taken = await tx.sync.take_streams(
            holder="another", now=app.clock.now(), until=app.clock.now() + timedelta(minutes=1), limit=10
        )
    assert taken == (followed.connection.id,), "free for another worker at once"


async def is_open(followed: Followed) -> bool:
    async with followed.app.transactions() as tx:
        return bool(await tx._connection.scalar(text("SELECT bool_or(is_open) FROM sync_streams")))


async def test_a_subscription_that_ended_unrenewed_hands_over_to_polling(pushed: Followed) -> None:
    app = pushed.app
    move(pushed, timedelta(hours=7))
    await pushed.read()
    await pushed.news()
    pushed.emulator.control("POST", "/faults", {"route": "*/v1.0/subscriptions*", "status": 503})
    move(pushed, timedelta(days=7))
    await pushed.truth.sign_in()
    assert await app.subscriptions.keep() == 0
    await pushed.read()
    new_id = await pushed.truth.write("nobody tells")
    move(pushed, timedelta(seconds=61))
    await pushed.read()
    assert await pushed.told() == [("message.created", new_id)]


async def test_before_a_sign_in_is_destroyed_microsoft_is_asked_to_tell_no_more(pushed: Followed) -> None:
    app = pushed.app
    with declared(instance_wide(Duty.RECORDS)):
        # What an API call of this kind may not do itself: it opens no sign-in.
        leaving = asyncio.create_task(
            app.connections.disconnect(pushed.connection.id, organization_id=None, actor=SYSTEM)
        )
    worker = Worker(app)
    while not leaving.done():
        await worker.run(until_idle=True)
        await asyncio.sleep(0.02)
    receipt = await leaving
    assert receipt.tokens_destroyed
    assert receipt.subscriptions_left == 0
    assert remote(pushed) == []


async def test_a_sign_in_is_destroyed_even_if_microsoft_cannot_be_told_and_the_record_says_so(
    pushed: Followed,
) -> None:
    app = pushed.app
    pushed.emulator.control("POST", "/faults", {"route": "DELETE */v1.0/subscriptions*", "status": 503})
    receipt = await app.connections.disconnect(pushed.connection.id, organization_id=None, actor=SYSTEM)
    assert receipt.tokens_destroyed
    assert receipt.subscriptions_left == len(remote(pushed)) == 2
    async with app.transactions() as tx:
        assert await tx.refresh_tokens.find(pushed.connection.id) is None
        page = await tx.audit.page(organization_id=None, what_prefix="connection.disconnected", limit=1)
    assert page.items[0].detail == {"subscriptions_left": "2"}


@pytest.mark.parametrize("followed", [AccessMethod.EWS], indirect=True, ids=["ews"])
async def test_a_stream_is_ended_by_its_holder_before_the_sign_in_is_destroyed(followed: Followed) -> None:
    app = followed.app
    stopping = asyncio.Event()
    holding = asyncio.create_task(hold_streams(app, stopping))
    await followed.until(lambda: is_open(followed))
    assert len(followed.emulator.control("GET", "/subscriptions")["ews"]) == 1
    receipt = await app.connections.disconnect(followed.connection.id, organization_id=None, actor=SYSTEM)
    stopping.set()
    await holding
    assert receipt.subscriptions_left == 0
    assert followed.emulator.control("GET", "/subscriptions")["ews"] == []


async def test_a_subscription_whose_answer_was_lost_is_found_at_once(followed: Followed) -> None:
    app = followed.app
    await followed.read()
    followed.emulator.control(
        "POST", "/faults", {"route": "POST */v1.0/subscriptions", "truncate_after_bytes": 20, "count": 1}
    )
    assert await app.subscriptions.keep() == 1
    assert len(remote(followed)) == 1, "what we do not know of is not left there"
    move(followed, timedelta(minutes=6))
    assert await app.subscriptions.keep() == 1
    async with app.transactions() as tx:
        own = {each.microsoft_id for each in await tx.subscriptions.of_connection(followed.connection.id)}
    assert own == {each["id"] for each in remote(followed)}
    assert len(own) == 2


async def test_a_creation_that_died_with_its_process_leaves_no_orphan(pushed: Followed) -> None:
    app = pushed.app
    async with app.transactions() as tx:
        await tx._connection.execute(
            text(
                "UPDATE graph_subscriptions SET state = 'creating', microsoft_id = NULL, expires_at = NULL,"
                " renew_at = NULL WHERE source = 'mail'"
            )
        )
    move(pushed, timedelta(minutes=6))
    await app.subscriptions.keep()
    async with app.transactions() as tx:
        own = {each.microsoft_id for each in await tx.subscriptions.of_connection(pushed.connection.id)}
    assert own == {each["id"] for each in remote(pushed)}
    assert len(own) == 2


def self_signed() -> str:
    """Return a certificate of nobody, as a subscription takes it."""
    key = rsa.generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "receiver")])
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), 7)
        .not_valid_before(NOW)
        .not_valid_after(NOW + timedelta(days=9))
        .sign(key, hashes.SHA256())
    )
    return base64.b64encode(made.public_bytes(Encoding.DER)).decode()


async def test_notifications_with_content_count_only_with_microsofts_own_token(
    pushed: Followed, client: httpx.AsyncClient, site: str
) -> None:
    secret = await known_secret(pushed)
    found, path = await row(pushed), await address(pushed)
    sealed = {"encryptedContent": {"data": "x", "dataKey": "x", "dataSignature": "x"}}
    good = post_of(found.microsoft_id, secret)
    forged: list[dict[str, Any]] = [
        post_of(found.microsoft_id, secret, **sealed),
        post_of(found.microsoft_id, secret, **sealed) | {"validationTokens": []},
        good | {"validationTokens": ["a.b.c"]},
        good | {"validationTokens": "a.b.c"},
        good | {"validationTokens": [7] * 20},
    ]
    for body in forged:
        assert (await client.post(path, json=body)).status_code == 202
    assert await marked(pushed) == {"mail": 0, "calendar": 0}

    # Microsoft itself, with content that we never asked for: the address and the secret are those of our subscription.
    await set_state(pushed, "creating", None)
    url = f"{pushed.truth.url}/v1.0/subscriptions"
    made = await pushed.truth.ask(
        "POST",
        url,
        {
            "changeType": "created",
            "notificationUrl": f"{site}{path}",
            "resource": "me/messages?$select=subject",
            "expirationDateTime": (pushed.app.clock.now() + timedelta(hours=20)).isoformat(),
            "clientState": secret,
            "includeResourceData": True,
            "encryptionCertificate": self_signed(),
            "encryptionCertificateId": "1",
        },
    )
    await pushed.truth.ask("DELETE", f"{url}/{found.microsoft_id}")
    await set_state(pushed, "live", made["id"])
    await pushed.truth.write("sealed")
    await pushed.until(lambda: some_marked(pushed))
    assert (await marked(pushed))["calendar"] == 0


async def set_state(followed: Followed, state: str, microsoft_id: str | None) -> None:
    async with followed.app.transactions() as tx:
        await tx._connection.execute(
            text(
                "UPDATE graph_subscriptions SET state = :state, microsoft_id = :id, created_at = :now"
                " WHERE source = 'mail'"
            ),
            {"state": state, "id": microsoft_id, "now": followed.app.clock.now()},
        )
    followed.app.notifications._known.clear()
