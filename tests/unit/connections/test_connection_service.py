"""Looking after connections: what a check may change, pausing, and what a disconnect leaves (SR-47, SR-101)."""

from __future__ import annotations

from datetime import timedelta

import pytest

from ostiary.core.audit.model import SYSTEM
from ostiary.core.connections.errors import IllegalTransition
from ostiary.core.connections.model import ConnectionStatus
from ostiary.core.kernel.errors import (
    AccessBlocked,
    ConsentRequired,
    InvalidRequest,
    MailboxMissing,
    NotFound,
    OstiaryError,
    ReauthorizationRequired,
    TemporarilyUnavailable,
    Throttled,
)

RETURN_URL = "https://app.larkspur.example/settings/email"
MISSING = MailboxMissing("x", reason="mailbox_missing")


async def check(world, connection):
    return await world.service.check(connection.id, organization_id="org_1", actor=SYSTEM)


async def test_a_check_that_succeeds_is_remembered(world) -> None:
    connection = await world.connect()
    world.clock.advance(timedelta(minutes=10))
    checked = await check(world, connection)
    assert (checked.status, checked.last_success_at) == (ConnectionStatus.CONNECTED, world.clock.now())
    assert checked.changed_at == connection.changed_at


async def test_a_mailbox_that_is_gone_counts_only_the_second_time(world) -> None:
    connection = await world.connect()
    world.probe.fail_next(MISSING)
    assert (await check(world, connection)).status is ConnectionStatus.CONNECTED
    world.probe.fail_next(MISSING, MISSING)
    failing = await check(world, connection)
    assert (failing.status, failing.reason) == (ConnectionStatus.FAILING, "mailbox_missing")
    assert (await check(world, connection)).status is ConnectionStatus.CONNECTED
    assert await world.audit("connection.checked") == ["connection.checked"] * 2


@pytest.mark.parametrize(
    ("error", "status", "reason"),
    [
        (AccessBlocked("x", reason="ews_off"), ConnectionStatus.FAILING, "ews_off"),
        (ReauthorizationRequired("x"), ConnectionStatus.NEEDS_SIGN_IN, "sign_in_needed"),
        (ConsentRequired("x"), ConnectionStatus.WAITING_FOR_APPROVAL, "consent_withdrawn"),
    ],
)
async def test_each_refusal_of_the_mailbox_has_its_own_state(world, error, status, reason) -> None:
    connection = await world.connect()
    world.probe.fail_next(error, error)
    checked = await check(world, connection)
    assert (checked.status, checked.reason) == (status, reason)
    assert await world.has_token(connection.id)


@pytest.mark.parametrize(
    "error", [TemporarilyUnavailable("x"), Throttled("x", retry_after_seconds=3), OstiaryError("garbage")]
)
async def test_a_fault_that_may_pass_is_passed_on_and_changes_nothing(world, error) -> None:
    connection = await world.connect()
    world.probe.fail_next(error)
    with pytest.raises(type(error)):
        await check(world, connection)
    assert await world.reread(connection) == connection


async def test_a_check_mends_a_connection_that_waited_for_an_approval(world) -> None:
    connection = await world.connect()
    world.clock.advance(timedelta(hours=2))
    world.microsoft.refresh_answers = [ConsentRequired("x")] * 2
    assert (await check(world, connection)).status is ConnectionStatus.WAITING_FOR_APPROVAL
    assert await world.service.recheck_waiting("org_1") == 1
    assert (await world.reread(connection)).status is ConnectionStatus.CONNECTED


async def test_permissions_that_were_taken_away_show_at_the_next_check(world) -> None:
    connection = await world.connect()
    world.clock.advance(timedelta(hours=2))
    world.microsoft.refresh_answers = [world.microsoft.tokens(scopes=["Mail.ReadWrite", "User.Read"])]
    checked = await check(world, connection)
    assert (checked.status, checked.reason) == (ConnectionStatus.FAILING, "missing_permission")


async def test_pausing_and_resuming_twice_is_no_fault(world) -> None:
    connection = await world.connect()
    options = {"organization_id": "org_1", "actor": SYSTEM}
    for _ in range(2):
        paused = await world.service.pause(connection.id, **options)
        assert paused.status is ConnectionStatus.PAUSED
    assert (await check(world, connection)).status is ConnectionStatus.PAUSED
    for _ in range(2):
        assert (await world.service.resume(connection.id, **options)).status is ConnectionStatus.CONNECTED
    assert await world.audit("connection.paused") == ["connection.paused"]


async def test_a_disconnect_destroys_all_tokens_and_is_final(world) -> None:
    connection = await world.connect()
    options = {"organization_id": "org_1", "actor": SYSTEM}
    receipt = await world.service.disconnect(connection.id, **options)
    assert receipt.tokens_destroyed
    assert receipt.backups_gone_by == receipt.at + timedelta(days=35)
    async with world.transactions() as tx:
        assert await tx.refresh_tokens.find(connection.id) is None
        assert await tx.access_tokens.find(connection.id) is None
    again = await world.service.disconnect(connection.id, **options)
    assert (again.tokens_destroyed, again.at) == (False, receipt.at)
    for act in (world.service.resume, world.service.pause):
        with pytest.raises(IllegalTransition):
            await act(connection.id, **options)
    assert await world.audit("connection.disconnected") == ["connection.disconnected"]


async def test_after_a_disconnect_the_member_connects_anew(world) -> None:
    first = await world.connect()
    await world.service.disconnect(first.id, organization_id="org_1", actor=SYSTEM)
    second = await world.connect()
    assert second.id != first.id
    assert {each.id for each in await world.service.list_for_member("mem_1", organization_id="org_1")} == {
        first.id,
        second.id,
    }


async def test_another_organizations_connection_is_not_found(world) -> None:
    connection = await world.connect()
    options = {"organization_id": "org_2", "actor": SYSTEM}
    for act in (world.service.check, world.service.pause, world.service.disconnect):
        with pytest.raises(NotFound):
            await act(connection.id, **options)
    with pytest.raises(NotFound):
        await world.service.get(connection.id, organization_id="org_2")


async def test_connections_come_in_pages_and_unconfirmed_ones_only_when_asked_for(world) -> None:
    connection = await world.connect()
    session = await world.session(connection_id=None)
    await world.service.disconnect(connection.id, organization_id="org_1", actor=SYSTEM)
    await world.come_back(await world.start(session))
    shown = await world.service.page(organization_id="org_1")
    assert [each.id for each in shown.items] == [connection.id]
    waiting = await world.service.page(organization_id="org_1", status=ConnectionStatus.UNCONFIRMED)
    assert len(waiting.items) == 1
    with pytest.raises(InvalidRequest):
        await world.service.page(organization_id="org_1", cursor="forged")


HOSTS = ("attacker.example", "app.larkspur.example.attacker.example", "app.larkspur.example@attacker.example")
OPEN_REDIRECTS = (
    *(
        f"{scheme}{host}{path}"
        for scheme in ("https://", "http://", "//", "///", "\\\\", "/\\", "https:/")
        for host in HOSTS
        for path in ("", "/settings/email")
    ),
    *(
        RETURN_URL + tail
        for tail in (
            "/",
            "//",
            "?",
            "#",
            "?next=//attacker.example",
            "#@attacker.example",
            "/..",
            "/%2e%2e",
            "%00",
            "\t",
            "\r\nLocation: https://attacker.example",
            " ",
            ".attacker.example",
            "\\",
        )
    ),
    *(
        head + RETURN_URL
        for head in (" ", "\t", "\x00", "javascript:", "data:text/html,", "https://attacker.example/?")
    ),
    "javascript:alert(1)",
    "data:text/html,<script>",
    "",
    "/",
    "/settings/email",
    "HTTPS://APP.LARKSPUR.EXAMPLE",
)


async def test_no_open_redirect_payload_becomes_a_return_address(world) -> None:
    assert len(set(OPEN_REDIRECTS)) >= 60
    for address in OPEN_REDIRECTS:
        with pytest.raises(InvalidRequest):
            await world.session(return_url=address)
    assert (await world.session(return_url=RETURN_URL)).session.return_url == RETURN_URL
