"""Connections and approvals that drift at Microsoft are noticed, announced once, and so is their recovery (SR-47)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from ostiary.bootstrap import Services
from ostiary.core.access.model import API_PERMISSIONS
from ostiary.core.audit.model import SYSTEM
from ostiary.core.connections.health import BATCH, CHECK_EVERY, CLAIM_LIFE, LOOK_AGAIN
from ostiary.core.connections.incidents import Incident, IncidentEnd, IncidentSubject
from ostiary.core.connections.model import Connection, ConnectionStatus
from ostiary.core.consent.model import ConsentState
from ostiary.core.kernel.access_method import AccessMethod

from ..connect_world import APP_ID, DOMAIN, HARBOUR, TOM, Company

Move = Callable[[timedelta], None]
A_DAY = timedelta(hours=29)
"""Longer than any pause between two checks, jitter included."""


@pytest.fixture(autouse=True)
def no_pauses(app: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    """A refusal is asked for twice; the seconds between are not what is tested here."""

    async def at_once(seconds: float) -> None:
        return None

    for part in (app.connections, app.connections.tokens, app.consent.watch):
        monkeypatch.setattr(part, "_sleep", at_once)


async def connected(company: Company, method: AccessMethod = AccessMethod.GRAPH) -> Connection:
    await company.approve(method)
    connection = await company.confirm(await company.go())
    assert connection.method is method
    await company.app.connection_health.check_due()
    return connection


async def a_day_later(company: Company, move_time: Move) -> Connection:
    """Let every check come due, run it, and return how the connection is."""
    move_time(A_DAY)
    assert await company.app.connection_health.check_due() == 1
    [connection] = await company.connections()
    return connection


async def incidents(app: Services, **wanted: Any) -> tuple[Incident, ...]:
    return (await app.incidents.page(organization_id=None, **wanted)).items


async def consent_state(company: Company, method: AccessMethod = AccessMethod.GRAPH) -> tuple[Any, Any]:
    async with company.app.transactions() as tx:
        found = await tx.consents.find(cloud="global", tenant_id=HARBOUR, method=method)
    assert found is not None
    return found.state, found.reason


BROKEN_AND_MENDED = [
    (AccessMethod.GRAPH, "not_assigned", "failing", "not_assigned"),
    (AccessMethod.GRAPH, "app_disabled", "failing", "app_disabled"),
    (AccessMethod.GRAPH, "sign_in_policy", "failing", "sign_in_policy"),
    (AccessMethod.GRAPH, "sign_in_policy.mfa", "needs_sign_in", "sign_in_policy"),
    (AccessMethod.GRAPH, "mailbox_missing", "failing", "mailbox_missing"),
    (AccessMethod.GRAPH, "consent_withdrawn", "waiting_for_approval", "consent_withdrawn"),
    (AccessMethod.EWS, "ews_off", "failing", "ews_off"),
    (AccessMethod.EWS, "ews_not_listed", "failing", "ews_off"),
    (AccessMethod.EWS, "mailbox_missing", "failing", "mailbox_missing"),
]


@pytest.mark.parametrize(("method", "scenario", "status", "reason"), BROKEN_AND_MENDED)
async def test_a_trouble_is_noticed_announced_once_and_its_end_too(
    company: Company, move_time: Move, method: AccessMethod, scenario: str, status: str, reason: str
) -> None:
    app = company.app
    await connected(company, method)
    company.emulator.set_scenario(DOMAIN, scenario)
    connection = await a_day_later(company, move_time)
    assert (connection.status.value, connection.reason) == (status, reason)
    assert (await a_day_later(company, move_time)).status is connection.status
    [incident] = [each for each in await incidents(app) if each.subject is IncidentSubject.CONNECTION]
    assert (incident.object_id, incident.reason, incident.closed_at) == (connection.id, reason, None)

    company.emulator.control("DELETE", f"/tenants/{DOMAIN}/scenario")
    assert (await a_day_later(company, move_time)).status is ConnectionStatus.CONNECTED
    await app.incidents.note()
    assert await incidents(app, is_open=True) == ()
    assert {each.end for each in await incidents(app)} == {IncidentEnd.RECOVERED}
    assert (await consent_state(company, method))[0] is ConsentState.VERIFIED
    async with app.transactions() as tx:
        page = await tx.audit.page(organization_id="org_1", object_id=connection.id, what_prefix="incident.")
    assert [record.what for record in reversed(page.items)] == ["incident.opened", "incident.closed"]


async def test_a_mailbox_moved_on_premises_is_noticed(company: Company, move_time: Move) -> None:
    await connected(company)
    company.emulator.control("PATCH", f"/users/{TOM}", {"mailbox_location": "on_premises"})
    connection = await a_day_later(company, move_time)
    assert (connection.status, connection.reason) == (ConnectionStatus.FAILING, "mailbox_missing")


async def test_a_revoked_sign_in_waits_for_the_person(company: Company, move_time: Move) -> None:
    await connected(company)
    move_time(timedelta(minutes=1))
    company.emulator.set_scenario(DOMAIN, "sign_in_needed")
    connection = await a_day_later(company, move_time)
    assert (connection.status, connection.reason) == (ConnectionStatus.NEEDS_SIGN_IN, "sign_in_needed")
    assert (await consent_state(company))[0] is ConsentState.VERIFIED


async def test_the_end_of_ews_is_told_from_ews_switched_off(company: Company, move_time: Move) -> None:
    await connected(company, AccessMethod.EWS)
    while company.app.clock.now() < datetime(2027, 3, 31, tzinfo=UTC):
        move_time(timedelta(days=43))
        await company.app.connection_health.check_due()
    [connection] = await company.connections()
    assert (connection.status, connection.reason) == (ConnectionStatus.FAILING, "ews_ended")


@pytest.mark.parametrize("scenario", ["microsoft_down", "slowed_down", "our_fault"])
async def test_a_transient_fault_or_our_own_changes_no_state(
    company: Company, move_time: Move, scenario: str
) -> None:
    before = await connected(company)
    company.emulator.set_scenario(DOMAIN, scenario)
    after = await a_day_later(company, move_time)
    assert (after.status, after.reason, after.changed_at) == (before.status, None, before.changed_at)
    assert await incidents(company.app) == ()
    company.emulator.control("DELETE", f"/tenants/{DOMAIN}/scenario")
    move_time(CHECK_EVERY[ConnectionStatus.FAILING] + LOOK_AGAIN)
    move_time(timedelta(hours=1))
    assert await company.app.connection_health.check_due() == 1, "looked at again soon, not tomorrow"


async def test_a_withdrawn_approval_is_one_incident_that_others_follow_from(
    company: Company, move_time: Move
) -> None:
    app = company.app
    await connected(company)
    company.emulator.control("DELETE", f"/tenants/{DOMAIN}/grants")
    await a_day_later(company, move_time)
    assert await consent_state(company) == (ConsentState.WITHDRAWN, "consent_withdrawn")
    by_subject = {each.subject: each for each in await incidents(app, is_open=True)}
    assert by_subject[IncidentSubject.CONNECTION].cause_id == by_subject[IncidentSubject.CONSENT].id
    assert await app.incidents.note() == 0, "announced once"

    # Approved again at Microsoft, not through us: the next sign-in of anybody shows it.
    company.emulator.control("POST", f"/tenants/{DOMAIN}/grants", {"app_id": APP_ID})
    assert (await a_day_later(company, move_time)).status is ConnectionStatus.CONNECTED
    assert await consent_state(company) == (ConsentState.VERIFIED, None)
    await app.incidents.note()
    assert await incidents(app, is_open=True) == ()


async def test_scopes_that_were_taken_away_make_the_approval_partial_and_come_back(
    company: Company, move_time: Move
) -> None:
    await connected(company)
    company.emulator.control("DELETE", f"/tenants/{DOMAIN}/grants")
    graph = "00000003-0000-0000-c000-000000000000"
    mail_only = ["Mail.ReadWrite", "Mail.Send", "MailboxSettings.Read", "User.Read"]
    company.emulator.control(
        "POST", f"/tenants/{DOMAIN}/grants", {"app_id": APP_ID, "delegated": {graph: mail_only}}
    )
    connection = await a_day_later(company, move_time)
    assert (connection.status, connection.reason) == (ConnectionStatus.FAILING, "missing_permission")
    assert await consent_state(company) == (ConsentState.PARTIAL, "missing_permission")

    company.emulator.control("POST", f"/tenants/{DOMAIN}/grants", {"app_id": APP_ID})
    assert (await a_day_later(company, move_time)).status is ConnectionStatus.CONNECTED
    assert await consent_state(company) == (ConsentState.VERIFIED, None)


async def test_a_mail_connection_goes_on_without_the_calendar_permission_and_the_loss_is_on_record(
    company: Company, move_time: Move
) -> None:
    app = company.app
    await connected(company)
    async with app.transactions() as tx:
        [connection] = await tx.connections.list_for_member(company.tom.id)
        await tx.connections.save(replace(connection, calendar=False))
    company.emulator.control("DELETE", f"/tenants/{DOMAIN}/grants")
    graph = "00000003-0000-0000-c000-000000000000"
    company.emulator.control(
        "POST",
        f"/tenants/{DOMAIN}/grants",
        {
            "app_id": APP_ID,
            "delegated": {graph: ["Mail.ReadWrite", "Mail.Send", "MailboxSettings.Read", "User.Read"]},
        },
    )
    assert (await a_day_later(company, move_time)).status is ConnectionStatus.CONNECTED
    async with app.transactions() as tx:
        page = await tx.audit.page(organization_id="org_1", what_prefix="connection.scopes_changed")
    assert page.items[0].detail["lost"] == "Calendars.ReadWrite"


async def test_checks_are_spread_claimed_in_batches_and_never_twice(
    company: Company, move_time: Move
) -> None:
    app = company.app
    connection = await connected(company)
    now = app.clock.now()
    async with app.transactions() as tx:
        await tx.checks.plan(connection.id, at=now)
    async with app.transactions() as first, app.transactions() as second:
        until = now + CLAIM_LIFE
        assert await first.checks.claim_due(now=now, until=until, limit=BATCH) == (connection.id,)
        assert await second.checks.claim_due(now=now, until=until, limit=BATCH) == (), "skips what is locked"
    assert await app.connection_health.check_due() == 0, "claimed by a worker that may still be at it"
    move_time(CLAIM_LIFE)
    assert await app.connection_health.check_due() == 1, "that worker died"
    move_time(CHECK_EVERY[ConnectionStatus.CONNECTED] * 0.79)
    assert await app.connection_health.check_due() == 0
    move_time(CHECK_EVERY[ConnectionStatus.CONNECTED] * 0.42)
    assert await app.connection_health.check_due() == 1


async def test_a_paused_connection_is_not_checked_and_its_incident_ends(
    company: Company, move_time: Move
) -> None:
    app = company.app
    connection = await connected(company)
    company.emulator.set_scenario(DOMAIN, "mailbox_missing")
    await a_day_later(company, move_time)
    await app.connections.pause(connection.id, organization_id="org_1", actor=SYSTEM)
    move_time(A_DAY)
    assert await app.connection_health.check_due() == 0
    await app.incidents.note()
    assert [each.end for each in await incidents(app)] == [IncidentEnd.ENDED]


async def test_the_vendor_polls_incidents_over_the_api(
    company: Company, move_time: Move, client: httpx.AsyncClient
) -> None:
    app = company.app
    await connected(company)
    company.emulator.set_scenario(DOMAIN, "mailbox_missing")
    connection = await a_day_later(company, move_time)
    _, key = await app.access.create_api_key(name="tests", permissions=API_PERMISSIONS, actor=SYSTEM)
    client.headers["Authorization"] = f"Bearer {key.reveal()}"
    query = {"organization_id": "org_1", "open": "true", "since": app.clock.now().isoformat()}
    answer = await client.get("/v1/incidents", params=query)
    assert answer.status_code == 200, answer.text
    [incident] = answer.json()["items"]
    assert (incident["object_id"], incident["reason"], incident["end"]) == (
        connection.id,
        "mailbox_missing",
        None,
    )
    assert (await client.get("/v1/incidents", params={**query, "open": "false"})).json()["items"] == []
