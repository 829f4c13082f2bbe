"""Access tokens: renewed once, stored before use, and never lost to a fault (SR-29, SR-38, SR-46 to SR-48)."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from ostiary.adapters.sql.connection_tokens import SQLAccessTokenStore
from ostiary.core.audit.model import SYSTEM
from ostiary.core.connections.errors import ConnectionNotUsable
from ostiary.core.connections.model import ConnectionStatus
from ostiary.core.connections.token_rules import EXPIRY_MARGIN
from ostiary.core.connections.tokens import LEASE_LIFE
from ostiary.core.kernel.errors import (
    AccessBlocked,
    ConsentRequired,
    FlowRejected,
    Misconfigured,
    NotFound,
    OstiaryError,
    ProviderContractBroken,
    ProviderDetail,
    ReauthorizationRequired,
    TemporarilyUnavailable,
    Throttled,
)

PRIYA = "bbbbbbbb-0000-4000-8000-00000000000b"
REVOKED = ReauthorizationRequired("x", reason="sign_in_needed", provider=ProviderDetail(code="AADSTS50173"))


async def expire(world) -> None:
    world.clock.advance(timedelta(hours=2))


async def test_a_token_is_reused_until_shortly_before_it_expires(world) -> None:
    connection = await world.connect()
    tokens = world.service.tokens
    first = await tokens.get(connection.id)
    world.clock.advance(timedelta(minutes=75) - EXPIRY_MARGIN - timedelta(seconds=1))
    assert await tokens.get(connection.id) == first
    assert world.microsoft.refreshes == []
    world.clock.advance(timedelta(seconds=1))
    assert await tokens.get(connection.id) != first
    assert len(world.microsoft.refreshes) == 1


async def test_many_callers_in_two_processes_cause_exactly_one_refresh(world) -> None:
    connection = await world.connect()
    services = [world.service, world.another_service()]
    for round_number in range(1, 4):
        await expire(world)
        answers = await asyncio.gather(
            *(services[index % 2].tokens.get(connection.id) for index in range(64))
        )
        assert len(world.microsoft.refreshes) == round_number
        assert all(answer == answers[0] for answer in answers)


async def test_a_turn_that_comes_just_after_another_process_is_done_refreshes_nothing(world) -> None:
    connection = await world.connect()
    await expire(world)
    other = world.another_service()
    find = SQLAccessTokenStore.find
    looks = 0

    async def find_and_be_overtaken(self: SQLAccessTokenStore, connection_id: str) -> object:
        nonlocal looks
        looks += 1
        found = await find(self, connection_id)
        if looks == 1:
            await other.tokens.get(connection_id)
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SQLAccessTokenStore, "find", find_and_be_overtaken)
        token = await world.service.tokens.get(connection.id)
    assert len(world.microsoft.refreshes) == 1
    assert token == await other.tokens.get(connection.id)
    # And nobody has to wait for the turn that was not needed.
    await expire(world)
    await other.tokens.get(connection.id)


async def test_a_new_process_uses_the_token_another_one_got(world) -> None:
    connection = await world.connect()
    await expire(world)
    mine = await world.service.tokens.get(connection.id)
    assert await world.another_service().tokens.get(connection.id) == mine
    assert len(world.microsoft.refreshes) == 1


async def test_the_newer_refresh_token_is_stored_before_the_access_token_is_used(world) -> None:
    connection = await world.connect()
    await expire(world)
    put = "ostiary.adapters.sql.connection_tokens.SQLRefreshTokenStore.put"

    async def crash(*args: object, **kwargs: object) -> None:
        raise RuntimeError("the process died while storing")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(put, crash)
        with pytest.raises(RuntimeError, match="died"):
            await world.service.tokens.get(connection.id)
    # Nobody got the access token, and the old refresh token is still there and is tried again.
    assert (await world.reread(connection)).token_version == 1
    token = await world.service.tokens.get(connection.id)
    assert world.microsoft.refreshes[0] == world.microsoft.refreshes[1]
    assert token.reveal().startswith("access-")
    assert (await world.reread(connection)).token_version == 2


async def test_a_lease_of_a_process_that_died_ends_by_itself(world) -> None:
    connection = await world.connect()
    await expire(world)
    now = world.clock.now()
    async with world.transactions() as tx:
        fence = await tx.refresh_leases.acquire(connection.id, holder="dead", until=now + LEASE_LIFE, now=now)
    assert fence == 1
    waiting = asyncio.create_task(world.service.tokens.get(connection.id))
    await asyncio.sleep(0.05)
    assert world.microsoft.refreshes == []
    world.clock.advance(LEASE_LIFE)
    await waiting
    assert len(world.microsoft.refreshes) == 1
    async with world.transactions() as tx:
        later = world.clock.now()
        assert await tx.refresh_leases.acquire(connection.id, holder="x", until=later, now=later) == 3


async def test_a_definite_refusal_counts_only_when_microsoft_repeats_it(world) -> None:
    connection = await world.connect()
    await expire(world)
    world.microsoft.refresh_answers = [REVOKED]
    await world.service.tokens.get(connection.id)
    assert (await world.reread(connection)).status is ConnectionStatus.CONNECTED
    assert len(world.microsoft.refreshes) == 2


@pytest.mark.parametrize(
    ("error", "status", "reason"),
    [
        (REVOKED, ConnectionStatus.NEEDS_SIGN_IN, "sign_in_needed"),
        (ConsentRequired("x"), ConnectionStatus.WAITING_FOR_APPROVAL, "consent_withdrawn"),
        (AccessBlocked("x", reason="app_disabled"), ConnectionStatus.FAILING, "app_disabled"),
    ],
)
async def test_a_repeated_refusal_is_stored_with_its_reason_and_keeps_the_token(
    world, error, status, reason
) -> None:
    connection = await world.connect()
    await expire(world)
    world.microsoft.refresh_answers = [error, error]
    with pytest.raises(type(error)) as caught:
        await world.service.tokens.get(connection.id)
    assert caught.value.reference == connection.reference
    stored = await world.reread(connection)
    assert (stored.status, stored.reason) == (status, reason)
    assert await world.has_token(connection.id)
    assert await world.audit("connection.refused") == ["connection.refused"]


@pytest.mark.parametrize(
    "error",
    [
        TemporarilyUnavailable("x", reason="microsoft_down"),
        Throttled("x", retry_after_seconds=7),
        Misconfigured("x", reason="our_fault"),
        OstiaryError("garbage"),
        FlowRejected("an ID token that cannot be verified"),
    ],
)
async def test_a_fault_that_may_pass_changes_nothing(world, error) -> None:
    connection = await world.connect()
    await expire(world)
    world.microsoft.refresh_answers = [error] * 3
    before = await world.reread(connection)
    for _ in range(3):
        with pytest.raises(ProviderContractBroken if isinstance(error, FlowRejected) else type(error)):
            await world.service.tokens.get(connection.id)
    assert await world.reread(connection) == before
    assert (await world.service.tokens.get(connection.id)).reveal()


async def test_a_fault_at_the_second_attempt_changes_nothing_either(world) -> None:
    connection = await world.connect()
    await expire(world)
    world.microsoft.refresh_answers = [REVOKED, TemporarilyUnavailable("x")]
    with pytest.raises(TemporarilyUnavailable):
        await world.service.tokens.get(connection.id)
    assert (await world.reread(connection)).status is ConnectionStatus.CONNECTED


async def test_a_refusal_of_a_token_that_was_renewed_meanwhile_is_not_believed(world) -> None:
    connection = await world.connect()
    await expire(world)
    world.microsoft.refresh_answers = [REVOKED]
    original = world.microsoft.refresh

    async def refresh_then_reconnect(*args: object, **kwargs: object):
        try:
            return await original(*args, **kwargs)
        except ReauthorizationRequired:
            world.microsoft.refresh = original
            session = await world.session(connection_id=connection.id)
            await world.come_back(await world.start(session))
            raise

    world.microsoft.refresh = refresh_then_reconnect
    token = await world.service.tokens.get(connection.id)
    assert token.reveal()
    stored = await world.reread(connection)
    assert (stored.status, stored.token_version) == (ConnectionStatus.CONNECTED, 2)
    assert len(world.microsoft.refreshes) == 1


async def test_an_answer_for_another_account_is_quarantined_and_not_stored(world) -> None:
    connection = await world.connect()
    await expire(world)
    world.microsoft.refresh_answers = [world.microsoft.tokens(object_id=PRIYA)]
    with pytest.raises(ReauthorizationRequired):
        await world.service.tokens.get(connection.id)
    stored = await world.reread(connection)
    assert (stored.status, stored.token_version) == (ConnectionStatus.NEEDS_SIGN_IN, 1)
    assert await world.audit("connection.quarantined") == ["connection.quarantined"]


async def test_a_disconnect_during_a_refresh_wins(world) -> None:
    connection = await world.connect()
    await expire(world)
    world.microsoft.during_refresh = asyncio.Event()
    refreshing = asyncio.create_task(world.service.tokens.get(connection.id))
    while not world.microsoft.refreshes:
        await asyncio.sleep(0.005)
    await world.service.disconnect(connection.id, organization_id=None, actor=SYSTEM)
    world.microsoft.during_refresh.set()
    with pytest.raises(ConnectionNotUsable):
        await refreshing
    assert not await world.has_token(connection.id)
    assert (await world.reread(connection)).status is ConnectionStatus.DISCONNECTED


async def test_a_refused_token_is_replaced_once_for_all_who_hold_it(world) -> None:
    connection = await world.connect()
    other = world.another_service()
    first = await world.service.tokens.get(connection.id)
    assert await other.tokens.get(connection.id) == first
    answers = await asyncio.gather(
        *(
            service.tokens.get(connection.id, refused=first)
            for service in (world.service, other)
            for _ in range(8)
        )
    )
    assert len(world.microsoft.refreshes) == 1
    assert all(answer != first for answer in answers)
    # Somebody who comes late with the old token gets the new one, without another refresh.
    assert await world.service.tokens.get(connection.id, refused=first) == answers[0]
    assert len(world.microsoft.refreshes) == 1


async def test_a_caller_that_gives_up_does_not_take_the_token_from_the_others(world) -> None:
    connection = await world.connect()
    await expire(world)
    world.microsoft.during_refresh = asyncio.Event()
    impatient = asyncio.create_task(world.service.tokens.get(connection.id))
    patient = asyncio.create_task(world.service.tokens.get(connection.id))
    while not world.microsoft.refreshes:
        await asyncio.sleep(0.005)
    impatient.cancel()
    world.microsoft.during_refresh.set()
    assert (await patient).reveal()
    assert len(world.microsoft.refreshes) == 1
    with pytest.raises(asyncio.CancelledError):
        await impatient


async def test_a_paused_or_unknown_connection_gives_no_token(world) -> None:
    connection = await world.connect()
    await world.service.tokens.get(connection.id)
    await world.service.pause(connection.id, organization_id=None, actor=SYSTEM)
    with pytest.raises(ConnectionNotUsable):
        await world.service.tokens.get(connection.id)
    with pytest.raises(NotFound):
        await world.service.tokens.get("con_unknown")


async def test_every_opening_of_a_sealed_token_is_on_record_before_it_happens(world) -> None:
    connection = await world.connect()
    await expire(world)
    await world.service.tokens.get(connection.id)
    await world.another_service().tokens.get(connection.id)
    assert await world.audit("vault.opened") == ["vault.opened"] * 2

    async def full(*args: object, **kwargs: object) -> None:
        raise RuntimeError("the audit log cannot be written")

    await expire(world)
    refreshes = len(world.microsoft.refreshes)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ostiary.adapters.sql.audit.SQLAuditTrail.record", full)
        with pytest.raises(RuntimeError, match="audit"):
            await world.service.tokens.get(connection.id)
    assert len(world.microsoft.refreshes) == refreshes


async def test_a_token_moved_to_another_connection_does_not_open(world) -> None:
    connection = await world.connect()
    await expire(world)
    async with world.transactions() as tx:
        moved = replace(await tx.connections.get(connection.id), id="con_other", reference="CO-0000-0009")
        moved = replace(moved, object_id=PRIYA)
        await tx.connections.add(moved)
        sealed, _ = await tx.refresh_tokens.find(connection.id)
        await tx.refresh_tokens.put("con_other", sealed, version=1, at=world.clock.now())
    with pytest.raises(Misconfigured):
        await world.service.tokens.get("con_other")
    assert world.microsoft.refreshes == []
    assert await world.audit("connection.seal_broken") == ["connection.seal_broken"]


async def test_a_silent_key_service_is_waited_for_and_changes_nothing(world) -> None:
    connection = await world.connect()
    await expire(world)
    world.keys.is_down = True
    with pytest.raises(TemporarilyUnavailable):
        await world.service.tokens.get(connection.id)
    world.keys.is_down = False
    assert (await world.service.tokens.get(connection.id)).reveal()
    assert (await world.reread(connection)).status is ConnectionStatus.CONNECTED


async def test_no_token_is_in_the_database_in_the_clear(world) -> None:
    connection = await world.connect(world.microsoft.tokens(refresh_token="canary-refresh-token"))
    async with world.transactions() as tx:
        rows = [
            await tx.refresh_tokens.find(connection.id),
            await tx.access_tokens.find(connection.id),
        ]
    assert rows[0] is not None
    assert rows[1] is not None
    for text in ("canary-refresh-token", "access-"):
        assert text not in repr(rows)
        assert text.encode() not in rows[0][0].ciphertext + rows[1].sealed.ciphertext


async def test_idle_connections_are_renewed_long_before_ninety_days(world) -> None:
    connection = await world.connect()
    world.clock.advance(timedelta(days=29))
    assert await world.service.refresh_idle() == 0
    world.clock.advance(timedelta(days=1))
    assert await world.service.refresh_idle() == 1
    assert await world.service.refresh_idle() == 0
    assert (await world.reread(connection)).token_version == 2
    async with world.transactions() as tx:
        shared = await tx.access_tokens.find(connection.id)
        assert shared.expires_at > world.clock.now()


async def test_expired_access_tokens_do_not_stay_in_the_database(world) -> None:
    connection = await world.connect()
    await expire(world)
    await world.service.refresh_idle()
    async with world.transactions() as tx:
        assert await tx.access_tokens.find(connection.id) is None


async def test_one_dead_connection_does_not_keep_the_others_from_being_renewed(world) -> None:
    connection = await world.connect()
    world.clock.advance(timedelta(days=31))
    world.microsoft.refresh_answers = [REVOKED, REVOKED]
    assert await world.service.refresh_idle() == 0
    assert (await world.reread(connection)).status is ConnectionStatus.NEEDS_SIGN_IN


async def test_a_saved_sign_in_that_works_again_is_put_on_record(world) -> None:
    connection = await world.connect()
    await expire(world)
    world.microsoft.refresh_answers = [REVOKED, REVOKED]
    with pytest.raises(ReauthorizationRequired):
        await world.service.tokens.get(connection.id)
    await world.service.tokens.get(connection.id, try_lost=True)
    assert (await world.reread(connection)).status is ConnectionStatus.CONNECTED
    assert await world.audit("connection.recovered") == ["connection.recovered"]


async def test_permissions_that_were_taken_away_are_told_from_an_approval_that_is_gone(world) -> None:
    connection = await world.connect()
    await expire(world)
    world.microsoft.refresh_answers += [ConsentRequired("x", reason="consent_withdrawn")] * 2
    world.microsoft.remaining_scopes = ["openid", "https://graph.microsoft.com/Mail.Read"]
    with pytest.raises(AccessBlocked, match="Calendars") as raised:
        await world.service.tokens.get(connection.id)
    assert (raised.value.reason, raised.value.reference) == ("missing_permission", connection.reference)
    changed = await world.reread(connection)
    assert (changed.status, changed.reason) == (ConnectionStatus.FAILING, "missing_permission")


async def test_an_approval_that_is_enough_for_the_connection_keeps_it(world) -> None:
    connection = await world.connect()
    await expire(world)
    world.microsoft.refresh_answers += [ConsentRequired("x", reason="consent_withdrawn")] * 2
    world.microsoft.remaining_scopes = sorted(connection.granted_scopes)
    assert (await world.service.tokens.get(connection.id)).reveal().startswith("access-")
    assert (await world.reread(connection)).status is ConnectionStatus.CONNECTED
    assert len(world.microsoft.refreshes) == 3


async def test_a_connection_whose_saved_sign_in_is_gone_gives_no_token(world) -> None:
    connection = await world.connect()
    async with world.transactions() as tx:
        await tx.refresh_tokens.destroy(connection.id)
        await tx.access_tokens.destroy(connection.id)
    with pytest.raises(ConnectionNotUsable) as raised:
        await world.another_service().tokens.get(connection.id)
    assert raised.value.reference == connection.reference
    assert world.microsoft.refreshes == []


async def test_a_registration_that_is_configured_no_more_is_our_fault_and_changes_nothing(world) -> None:
    connection = await world.connect()
    async with world.transactions() as tx:
        await tx.connections.save(replace(connection, registration_id="gone"))
    await expire(world)
    with pytest.raises(Misconfigured) as raised:
        await world.service.tokens.get(connection.id)
    assert (raised.value.reason, raised.value.reference) == ("our_fault", connection.reference)
    assert (await world.reread(connection)).status is ConnectionStatus.CONNECTED


async def test_a_shared_token_that_does_not_open_is_our_fault_and_on_record(world) -> None:
    connection = await world.connect()
    async with world.transactions() as tx:
        shared = await tx.access_tokens.find(connection.id)
        await tx.access_tokens.put(
            connection.id,
            replace(shared.sealed, commitment=bytes(32)),
            version=shared.version,
            expires_at=shared.expires_at,
        )
    with pytest.raises(Misconfigured):
        await world.another_service().tokens.get(connection.id)
    assert "connection.seal_broken" in await world.audit("connection.")
    assert world.microsoft.refreshes == []


def at_each_refresh(world, *acts) -> None:
    """Let one act after the other happen while Microsoft is asked for a token."""
    ask, waiting = world.microsoft.refresh, list(acts)

    async def and_meanwhile(registration, **asked):
        act = waiting.pop(0) if waiting else None
        if act is not None:
            await act()
        return await ask(registration, **asked)

    world.microsoft.refresh = and_meanwhile


@pytest.mark.parametrize("answer", ["refused", "another account"])
async def test_a_disconnect_while_microsoft_refuses_wins(world, answer) -> None:
    connection = await world.connect()
    await expire(world)
    refused = answer == "refused"
    strange = world.microsoft.tokens(object_id=PRIYA)
    world.microsoft.refresh_answers = [REVOKED, REVOKED] if refused else [strange]

    async def disconnect() -> None:
        await world.service.disconnect(connection.id, organization_id=None, actor=SYSTEM)

    at_each_refresh(world, *([None, disconnect] if refused else [disconnect]))
    with pytest.raises(ReauthorizationRequired):
        await world.service.tokens.get(connection.id)
    kept = await world.reread(connection)
    assert (kept.status, kept.reason) == (ConnectionStatus.DISCONNECTED, None)
    assert await world.audit("connection.refused") == []
    assert len(await world.audit("connection.quarantined")) == (0 if refused else 1)


async def test_the_same_refusal_again_is_on_record_once(world) -> None:
    connection = await world.connect()
    await expire(world)
    world.microsoft.refresh_answers = [REVOKED] * 4
    for _ in range(2):
        with pytest.raises(ReauthorizationRequired):
            await world.service.tokens.get(connection.id, try_lost=True)
    assert len(world.microsoft.refreshes) == 4
    assert await world.audit("connection.refused") == ["connection.refused"]


async def test_a_refused_token_that_everybody_shares_is_not_given_out_again(world) -> None:
    connection = await world.connect()
    first = await world.service.tokens.get(connection.id)
    # This process holds nothing yet: it finds the refused token in the database.
    renewed = await world.another_service().tokens.get(connection.id, refused=first)
    assert renewed != first
    assert len(world.microsoft.refreshes) == 1
