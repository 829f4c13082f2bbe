"""The kill switch on the operator's pages and over the API (SR-50)."""

from __future__ import annotations

import httpx
import pytest
from lxml import html

from ostiary.bootstrap import Services
from ostiary.core.connections.freeze import FreezeScope
from ostiary.core.kernel.secret import Secret

from ..console_world import Customer
from .conftest import OpenAs


def text_of(answer: httpx.Response) -> str:
    return " ".join(html.fromstring(answer.text).xpath("//main")[0].text_content().split())


async def frozen(running: Services) -> list[tuple[str, str, str]]:
    return [(each.scope.value, each.target_id, each.note) for each in await running.freezes.list_all()]


@pytest.mark.parametrize("named_by", ["external_id", "id"])
async def test_an_operator_freezes_a_customer_only_after_typing_its_name(
    open_as: OpenAs, running: Services, harbour: Customer, operator: Secret, named_by: str
) -> None:
    customer = harbour.organization
    async with open_as(operator) as vik:
        page = await vik.open(f"/operator/freezes/new?target={getattr(customer, named_by)}")
        assert "Freeze Harbour & Vale?" in text_of(page)
        fields = {"scope": "organization", "target_id": customer.id, "note": "stolen laptop"}
        refused = await vik.send("/operator/freezes", {**fields, "typed": "Harbour"})
        assert refused.status_code == 400
        assert "Type Harbour & Vale exactly." in text_of(refused)
        assert "stolen laptop" in refused.text
        assert await frozen(running) == []
        done = await vik.send("/operator/freezes", {**fields, "typed": "harbour & vale"})
        assert done.headers["location"] == "/operator/freezes?done=frozen"
        assert await frozen(running) == [("organization", customer.id, "stolen laptop")]
        listed = text_of(await vik.open("/operator/freezes"))
        assert "Customer: Harbour & Vale" in listed
        assert "stolen laptop" in listed
        assert "The use of this customer’s mailboxes was stopped" in text_of(
            await vik.open(f"/operator/customers/{customer.id}")
        )
        await vik.send("/operator/freezes/lift", {"scope": "organization", "target_id": customer.id})
        assert "Nothing is frozen." in text_of(await vik.open("/operator/freezes"))
    assert await frozen(running) == []


async def test_everything_and_a_connection_by_its_reference_can_be_frozen(
    open_as: OpenAs, running: Services, harbour: Customer, operator: Secret
) -> None:
    connection = harbour.connections[0]
    async with open_as(operator) as vik:
        page = await vik.open(f"/operator/freezes/new?target={connection.reference.lower()}")
        assert f"Freeze {connection.address}?" in text_of(page)
        fields = {"scope": "connection", "target_id": connection.id, "typed": connection.address}
        await vik.send("/operator/freezes", fields)
        await vik.send("/operator/freezes", {"scope": "instance", "typed": "everything"})
        assert {scope for scope, _, _ in await frozen(running)} == {"connection", "instance"}
        missing = await vik.open("/operator/freezes/new?target=nobody")
        assert missing.status_code == 404
        assert "Nothing here is called “nobody”." in text_of(missing)


@pytest.mark.parametrize("scope", [FreezeScope.ORGANIZATION, FreezeScope.INSTANCE])
async def test_admins_of_a_frozen_customer_see_it_on_every_page_without_the_operators_note(
    open_as: OpenAs, running: Services, harbour: Customer, other: Customer, scope: FreezeScope
) -> None:
    from ostiary.core.audit.model import SYSTEM

    target = harbour.organization.id if scope is FreezeScope.ORGANIZATION else ""
    await running.freezes.freeze(scope, target, note="suspected break-in", actor=SYSTEM)
    async with open_as(harbour.session) as dana:
        for path in ("/console", "/console/connections", "/console/members"):
            shown = text_of(await dana.open(path))
            assert "Larkspur has stopped using your mailboxes for now" in shown
            assert "break-in" not in shown
    async with open_as(other.session) as sam:
        is_shown = "has stopped using your mailboxes" in text_of(await sam.open("/console"))
        assert is_shown == (scope is FreezeScope.INSTANCE)


async def test_the_api_freezes_lists_and_lifts(api: httpx.AsyncClient, harbour: Customer) -> None:
    target = {"scope": "organization", "target_id": harbour.organization.id}
    first = await api.post("/v1/freezes", json={**target, "note": "stolen laptop"})
    assert (first.status_code, first.json()["note"]) == (201, "stolen laptop")
    again = await api.post("/v1/freezes", json={**target, "note": "another note"})
    assert (again.status_code, again.json()) == (200, first.json())
    await api.post("/v1/freezes", json={"scope": "instance"})
    listed = (await api.get("/v1/freezes")).json()["items"]
    assert {(each["scope"], each["target_id"]) for each in listed} == {
        ("organization", harbour.organization.id),
        ("instance", None),
    }
    assert (await api.post("/v1/freezes/lift", json=target)).json() == {"lifted": True}
    assert (await api.post("/v1/freezes/lift", json=target)).json() == {"lifted": False}
    assert (await api.post("/v1/freezes", json={"scope": "connection", "target_id": "x"})).status_code == 404
    assert (await api.post("/v1/freezes", json={**target, "scope": "instance"})).status_code == 400


async def test_calls_for_a_frozen_mailbox_say_so(api: httpx.AsyncClient, harbour: Customer) -> None:
    await api.post("/v1/freezes", json={"scope": "instance"})
    answer = await api.get(f"/v1/connections/{harbour.connections[0].id}/folders")
    assert (answer.status_code, answer.json()["code"], answer.json()["reason"]) == (409, "frozen", "frozen")


async def test_the_overview_says_what_is_frozen(open_as: OpenAs, running: Services, operator: Secret) -> None:
    from ostiary.core.audit.model import SYSTEM

    async with open_as(operator) as vik:
        assert "frozen" not in text_of(await vik.open("/operator"))
        await running.freezes.freeze(FreezeScope.INSTANCE, actor=SYSTEM)
        assert "One thing is frozen." in text_of(await vik.open("/operator"))
