"""Connecting while the operator has stopped everything or this customer (SR-50)."""

from __future__ import annotations

from typing import Any

import pytest

from ostiary.core.audit.model import SYSTEM
from ostiary.core.connections.freeze import FreezeScope
from ostiary.core.connections.model import ConnectionStatus

TOM = "tom.ellis@harbourvale.example"
HEADLINE = "Larkspur has stopped using mailboxes for now"
Company = Any

SCOPES = [(FreezeScope.ORGANIZATION, "org_1"), (FreezeScope.INSTANCE, "")]


@pytest.mark.parametrize(("scope", "target"), SCOPES)
async def test_nobody_is_sent_to_microsoft_and_the_session_goes_on_afterwards(
    company: Company, scope: FreezeScope, target: str
) -> None:
    await company.approve()
    page = await company.browser.open(await company.session())
    await company.app.freezes.freeze(scope, target, actor=SYSTEM)
    stopped = await company.browser.press(page, "Continue to Microsoft", calendar=None)
    assert stopped.h1 == HEADLINE
    assert "Nothing was connected." in stopped.tree.text_content()
    assert stopped.steps == ["Try again", "Tell me when it works"]
    assert company.emulator.requests("/authorize") == []
    await company.app.freezes.unfreeze(scope, target, actor=SYSTEM)
    page = await company.browser.open("/connect")
    back = await company.browser.sign_in(await company.browser.press(page, "Continue to Microsoft"), TOM)
    assert (await company.confirm(back)).status is ConnectionStatus.CONNECTED


@pytest.mark.parametrize(("scope", "target"), SCOPES)
async def test_a_return_during_a_freeze_exchanges_no_code_and_can_be_tried_again(
    company: Company, scope: FreezeScope, target: str
) -> None:
    await company.approve()
    page = await company.browser.open(await company.session())
    at_microsoft = await company.browser.press(page, "Continue to Microsoft", calendar=None)
    asked_before = len(company.emulator.requests("/oauth2/v2.0/token"))
    await company.app.freezes.freeze(scope, target, actor=SYSTEM)
    stopped = await company.browser.sign_in(at_microsoft, TOM)
    assert stopped.path.startswith("/connect/problem/")
    assert stopped.h1 == HEADLINE
    assert len(company.emulator.requests("/oauth2/v2.0/token")) == asked_before
    assert await company.app.connections.list_for_member("mem_1", organization_id="org_1") == ()
    await company.app.freezes.unfreeze(scope, target, actor=SYSTEM)
    again = await company.browser.press(stopped, "Try again")
    connection = await company.confirm(await company.browser.sign_in(again, TOM))
    # The choice of before was kept.
    assert (connection.mail, connection.calendar) == (True, False)
