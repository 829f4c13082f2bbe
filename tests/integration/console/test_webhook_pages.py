"""Webhooks and traffic on the operator's pages."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest
import pytest_asyncio
from aiohttp import web as http
from lxml import html

from ostiary.bootstrap import Services
from ostiary.core.audit.model import SYSTEM
from ostiary.core.feed.model import FeedEventType, connection_event
from ostiary.core.governor.model import MailboxKey, Urgency
from ostiary.core.kernel.access_method import AccessMethod
from ostiary.core.kernel.errors import Throttled
from ostiary.core.kernel.reach import Duty, declared, instance_wide
from ostiary.core.kernel.secret import Secret
from ostiary.core.webhooks.model import DisabledBecause, EndpointStatus
from ostiary.settings import Settings

from ..console_world import Customer
from .conftest import OpenAs


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"webhook_private_destinations": True})


@pytest_asyncio.fixture
async def vendor() -> AsyncIterator[str]:
    """The vendor's app: repeats a challenge, and takes everything."""

    async def take(request: http.Request) -> http.Response:
        message = json.loads(await request.text())
        return http.json_response({"challenge": message["data"].get("challenge")})

    app = http.Application()
    app.router.add_post("/hook", take)
    runner = http.AppRunner(app)
    await runner.setup()
    site = http.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    await runner.cleanup()


def text_of(answer: httpx.Response) -> str:
    return " ".join(html.fromstring(answer.text).xpath("//main")[0].text_content().split())


async def happens(running: Services, harbour: Customer) -> None:
    """Something changes in a mailbox, and is sent."""
    connection = harbour.connections[0]
    with declared(instance_wide(Duty.WORKER)):
        async with running.transactions() as tx:
            await tx.feed.append(
                [
                    connection_event(
                        connection_id=connection.id,
                        organization_id=connection.organization_id,
                        kind=FeedEventType.MESSAGE_CREATED,
                        subject="message 1",
                        version="1",
                        occurred_at=running.clock.now(),
                        data={"message_id": "message 1"},
                    )
                ]
            )
        await running.webhooks.sender.send_due()


async def test_an_operator_adds_verifies_rotates_and_deletes_an_endpoint(
    open_as: OpenAs, running: Services, operator: Secret, vendor: str
) -> None:
    async with open_as(operator) as vik:
        assert "No endpoint yet." in text_of(await vik.open("/operator/webhooks"))
        refused = await vik.send("/operator/webhooks", {"url": "ftp://app.larkspur.example"})
        assert refused.status_code == 400
        assert "ftp://app.larkspur.example" in refused.text
        added = await vik.send("/operator/webhooks", {"url": vendor, "description": "production"})
        assert "whsec_" in added.text
        (endpoint,) = await running.webhooks.endpoints.list_all()
        page = f"/operator/webhooks/{endpoint.id}"
        shown = await vik.open(page)
        assert "Not verified" in text_of(shown)
        assert "whsec_" not in shown.text
        verified = await vik.send(f"{page}/verify", {})
        assert verified.headers["location"] == f"{page}?done=verified"
        assert "Works" in text_of(await vik.open(page))
        assert "whsec_" in (await vik.send(f"{page}/rotate", {})).text
        assert (await vik.send(f"{page}/disable", {})).headers["location"] == f"{page}?done=disabled"
        assert "Switched off" in text_of(await vik.open(page))
        assert (await vik.send(f"{page}/delete", {"typed": "something else"})).status_code == 400
        gone = await vik.send(f"{page}/delete", {"typed": vendor})
        assert gone.headers["location"] == "/operator/webhooks?done=deleted"
    assert await running.webhooks.endpoints.list_all() == ()


async def test_an_endpoint_that_does_not_answer_says_what_it_did(
    open_as: OpenAs, running: Services, operator: Secret, unused_tcp_port: int
) -> None:
    async with open_as(operator) as vik:
        await vik.send("/operator/webhooks", {"url": f"http://127.0.0.1:{unused_tcp_port}/hook"})
        (endpoint,) = await running.webhooks.endpoints.list_all()
        refused = await vik.send(f"/operator/webhooks/{endpoint.id}/verify", {})
        assert refused.status_code == 409
        assert "No connection could be opened." in text_of(refused)


async def test_the_log_shows_what_was_sent_and_sends_it_again(
    open_as: OpenAs, running: Services, harbour: Customer, operator: Secret, vendor: str
) -> None:
    async with open_as(operator) as vik:
        await vik.send("/operator/webhooks", {"url": vendor})
        (endpoint,) = await running.webhooks.endpoints.list_all()
        page = f"/operator/webhooks/{endpoint.id}"
        await vik.send(f"{page}/verify", {})
        await happens(running, harbour)
        log = await vik.open(page)
        assert "message.created" in text_of(log)
        assert "Delivered" in text_of(log)
        assert "No delivery fits this filter." in text_of(await vik.open(f"{page}?state=dead"))
        assert "No delivery fits this filter." in text_of(await vik.open(f"{page}?kind=event.created"))
        (path,) = {
            link
            for link in html.fromstring(log.text).xpath("//a/@href")
            if link.startswith("/operator/webhooks/deliveries/")
        }
        detail = text_of(await vik.open(path))
        assert '"type":"message.created"' in detail
        assert "200" in detail
        again = await vik.send(f"{path}/replay", {})
        assert again.headers["location"] == f"{path}?done=replayed"
        today = running.clock.now().date().isoformat()
        with declared(instance_wide(Duty.WORKER)):
            assert await running.webhooks.sender.send_due() == 1
        days = {"since": today, "until": today}
        replayed = await vik.send(f"{page}/replay", days)
        assert replayed.headers["location"] == f"{page}?done=replayed"
        nothing = await vik.send(f"{page}/replay", {**days, "only_dead": "true"})
        assert nothing.headers["location"] == f"{page}?done=nothing"
        backwards = await vik.send(f"{page}/replay", {"since": today, "until": "2026-01-01"})
        assert backwards.status_code == 400


async def test_traffic_names_mailboxes_that_have_to_rest(
    open_as: OpenAs, running: Services, harbour: Customer, operator: Secret
) -> None:
    connection = harbour.connections[0]
    key = MailboxKey(AccessMethod.GRAPH, connection.tenant_id, connection.object_id)
    async with open_as(operator) as vik:
        assert "No mailbox is in use at this moment" in text_of(await vik.open("/operator/traffic"))
        with pytest.raises(Throttled):
            async with running.governor.turn(key, Urgency.INTERACTIVE):
                raise Throttled("Slow down.", retry_after_seconds=300)
        shown: Any = text_of(await vik.open("/operator/traffic"))
        assert connection.reference in shown
        assert "as Microsoft asked" in shown


async def test_the_overview_tells_of_endpoints_that_stopped_or_fail_for_more_than_a_day(
    open_as: OpenAs, running: Services, operator: Secret
) -> None:
    now = running.clock.now()
    with declared(instance_wide(Duty.COMMAND)):
        issued = await running.webhooks.endpoints.add("https://app.larkspur.example/hook", actor=SYSTEM)

    async def shown(**change: Any) -> str:
        with declared(instance_wide(Duty.COMMAND)):
            async with running.transactions() as tx:
                await tx.webhooks.save(replace(issued.endpoint, **change))
        async with open_as(operator) as vik:
            return text_of(await vik.open("/operator"))

    active = {"status": EndpointStatus.ACTIVE}
    assert "See the endpoint" not in await shown(**active, failing_since=now - timedelta(hours=23))
    failing = await shown(**active, failing_since=now - timedelta(hours=25))
    assert "A webhook endpoint fails since" in failing
    assert "https://app.larkspur.example/hook has taken nothing for more than a day." in failing
    off = {"status": EndpointStatus.DISABLED, "failing_since": now - timedelta(days=5)}
    failed = await shown(**off, disabled_because=DisabledBecause.FAILED)
    assert "A webhook endpoint is switched off." in failed
    assert "failed for five days." in failed
    assert "said it is gone." in await shown(**off, disabled_because=DisabledBecause.GONE)
    assert "See the endpoint" not in await shown(**off, disabled_because=DisabledBecause.BY_HAND)
