"""Permissions that nobody uses are reported; a use is written down at most once a day."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import httpx
import pytest

from ostiary.core.access.model import API_PERMISSIONS
from ostiary.core.audit.model import SYSTEM
from ostiary.core.kernel.access_method import AccessMethod
from ostiary.core.kernel.errors import AccessBlocked, InvalidRequest, MailboxMissing

from ..connect_world import DOMAIN, Company


async def unused(company: Company, days: int = 30) -> dict[str, str | None]:
    page = await company.app.permission_usage.unused(days=days, organization_id="org_1")
    return {
        use.permission: use.last_used_on and use.last_used_on.isoformat()
        for found in page.items
        for use in found.permissions
    }


async def test_what_was_granted_and_not_used_for_a_month_is_reported(
    company: Company, move_time: Callable[[timedelta], None], client: httpx.AsyncClient
) -> None:
    await company.approve()
    connection = await company.confirm(await company.go())
    assert await unused(company) == {}, "younger than the period"
    move_time(timedelta(days=31))
    assert set(await unused(company)) == {"Mail.ReadWrite", "Mail.Send", "Calendars.ReadWrite"}
    for _ in range(2):
        await company.app.mail.list_folders(connection.id, organization_id="org_1")
    assert set(await unused(company)) == {"Mail.Send", "Calendars.ReadWrite"}
    assert await unused(company, days=60) == {}
    used_on = company.app.clock.now().date().isoformat()
    move_time(timedelta(days=32))
    assert (await unused(company))["Mail.ReadWrite"] == used_on
    with pytest.raises(InvalidRequest):
        await unused(company, days=31)

    _, key = await company.app.access.create_api_key(name="t", permissions=API_PERMISSIONS, actor=SYSTEM)
    client.headers["Authorization"] = f"Bearer {key.reveal()}"
    answer = await client.get("/v1/unused-permissions", params={"days": "60", "organization_id": "org_1"})
    assert answer.status_code == 200, answer.text
    [item] = answer.json()["items"]
    assert {"permission": "Mail.Send", "last_used_on": None} in item["permissions"]
    assert (await client.get("/v1/unused-permissions", params={"days": "31"})).status_code == 400


async def test_an_error_in_use_has_the_connection_checked_at_once(
    company: Company, move_time: Callable[[timedelta], None]
) -> None:
    app = company.app
    await company.approve(AccessMethod.EWS)
    connection = await company.confirm(await company.go())
    await app.connection_health.check_due()
    move_time(timedelta(minutes=1))
    company.emulator.set_scenario(DOMAIN, "ews_off")
    with pytest.raises((AccessBlocked, MailboxMissing)):
        await app.mail.list_folders(connection.id, organization_id="org_1")
    [before] = await company.connections()
    assert before.reason is None, "one error in use decides nothing"
    assert await app.connection_health.check_due() == 1
    [after] = await company.connections()
    assert after.reason == "ews_off"
