"""Erase and export through API and console (SR-102)."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
from lxml import html

from ostiary.bootstrap import Services
from ostiary.core.kernel.clock import MovableClock
from ostiary.core.kernel.errors import NotFound
from ostiary.core.kernel.secret import Secret
from ostiary.entrypoints.export_file import json_document

from ..console_world import Customer
from .conftest import OpenAs


def text_of(answer: httpx.Response) -> str:
    return " ".join(html.fromstring(answer.text).xpath("//main")[0].text_content().split())


def document(answer: httpx.Response) -> dict[str, list[dict[str, Any]]]:
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["content-disposition"].startswith("attachment; filename=")
    return dict(answer.json())


async def is_there(running: Services, customer: Customer, member_id: str) -> bool:
    try:
        await running.organizations.get_member(member_id, organization_id=customer.organization.id)
    except NotFound:
        return False
    return True


async def test_an_admin_erases_a_person_only_after_typing_their_address(
    open_as: OpenAs, running: Services, harbour: Customer
) -> None:
    person, colleague = harbour.people[0], harbour.people[1]
    path = f"/console/members/{person.id}/erase"
    async with open_as(harbour.session) as dana:
        assert f"Erase {person.display_name}?" in text_of(await dana.open(path))
        refused = await dana.send(path, {"typed": colleague.email})
        assert refused.status_code == 400
        assert await is_there(running, harbour, person.id)
        receipt = text_of(await dana.send(path, {"typed": person.email.upper()}))
    assert "Erased" in receipt
    assert "connections (1)" in receipt
    assert "29 December 2026" in receipt
    assert person.email not in receipt
    assert not await is_there(running, harbour, person.id)
    assert await is_there(running, harbour, colleague.id)


async def test_an_admin_cannot_erase_themselves(
    open_as: OpenAs, running: Services, harbour: Customer
) -> None:
    path = f"/console/members/{harbour.admin.id}/erase"
    async with open_as(harbour.session) as dana:
        assert "You can’t erase yourself." in text_of(await dana.open(path))
        assert (await dana.send(path, {"typed": harbour.admin.email})).status_code == 409
    assert await is_there(running, harbour, harbour.admin.id)


async def test_an_erased_mailbox_is_gone_and_its_person_stays(
    open_as: OpenAs, running: Services, harbour: Customer
) -> None:
    connection, other = harbour.connections[0], harbour.connections[1]
    path = f"/console/connections/{connection.id}/erase"
    async with open_as(harbour.session) as dana:
        assert (await dana.send(path, {"typed": "somebody else"})).status_code == 400
        done = text_of(await dana.send(path, {"typed": connection.address}))
    assert "connections (1)" in done
    with pytest.raises(NotFound):
        await running.connections.get(connection.id, organization_id=None)
    assert (await running.connections.get(other.id, organization_id=None)).id == other.id
    assert await is_there(running, harbour, connection.member_id)
    async with running.transactions() as transaction:
        records = (await transaction.audit.page(organization_id=None, object_id=connection.id)).items
    assert "connection.erased" in {record.what for record in records}
    assert not any(connection.address in record.sentence for record in records)


async def test_downloads_hold_one_persons_one_mailboxs_or_the_whole_organizations_records(
    open_as: OpenAs, harbour: Customer, other: Customer
) -> None:
    person, connection = harbour.people[0], harbour.connections[0]
    async with open_as(harbour.session) as dana:
        one = document(await dana.send(f"/console/members/{person.id}/export"))
        box = document(await dana.send(f"/console/connections/{connection.id}/export"))
        everything = document(await dana.send("/console/settings/export"))
        assert (await dana.send(f"/console/members/{other.people[0].id}/export")).status_code == 404
        assert (await dana.send(f"/console/connections/{other.connections[0].id}/export")).status_code == 404
    assert [row["id"] for row in one["members"]] == [person.id]
    assert [row["id"] for row in box["connections"]] == [connection.id]
    assert "members" not in box
    assert {row["id"] for row in everything["members"]} >= {each.id for each in harbour.people}
    for text in map(json.dumps, (one, box, everything)):
        assert other.organization.id not in text
        assert "secret_hash" not in text
    assert harbour.people[1].email not in json.dumps(one)


async def test_an_operator_erases_a_customer_and_watches_it_end(
    open_as: OpenAs, running: Services, harbour: Customer, other: Customer, operator: Secret
) -> None:
    customer = harbour.organization
    path = f"/operator/customers/{customer.id}/erase"
    async with open_as(operator) as vik:
        exported = document(await vik.send(f"/operator/customers/{customer.id}/export"))
        assert exported["organizations"][0]["name"] == "Harbour & Vale"
        assert (await vik.send(path, {"typed": "hv"})).status_code == 400
        begun = await vik.send(path, {"typed": customer.name})
        progress = f"/operator/erasures/{customer.id}"
        assert begun.headers["location"] == progress
        assert "Erasing a customer" in text_of(await vik.open(progress))
        assert (await vik.open(f"{progress}/now")).json() == {"reload": False}
        await running.erasure.finish(customer.id)
        receipt = text_of(await vik.open(progress))
        assert (await vik.open(f"{progress}/now")).json() == {"reload": True}
        assert (await vik.open(f"/operator/erasures/{other.organization.id}")).status_code == 404
    assert "organizations (1)" in receipt
    assert "Sealed copies in backups end with the backups." in receipt
    assert "Harbour" not in receipt
    with pytest.raises(NotFound):
        await running.organizations.get(customer.id)
    assert (await running.organizations.get(other.organization.id)).name == "Other Company"


async def test_the_api_erases_only_what_is_confirmed_and_keeps_a_receipt(
    api: httpx.AsyncClient, running: Services, harbour: Customer
) -> None:
    customer, person, connection = harbour.organization, harbour.people[0], harbour.connections[1]
    base = f"/v1/organizations/{customer.id}"
    for path, word in (
        (f"{base}/members/{person.id}/erase", person.external_id),
        (f"/v1/connections/{connection.id}/erase", connection.address),
    ):
        refused = await api.post(path, json={"confirm": word + "x"})
        assert (refused.status_code, refused.json()["errors"]) == (400, [{"field": "confirm"}])
        receipt = (await api.post(path, json={"confirm": word})).json()
        assert receipt["erased"]["connections"] == 1
        assert receipt["keys"] == "kept"
        assert (await api.post(path, json={"confirm": word})).status_code == 404
    assert (await api.get(f"/v1/erasures/{customer.id}")).status_code == 404
    assert (await api.post(f"{base}/erase", json={"confirm": "other"})).status_code == 400
    begun = await api.post(f"{base}/erase", json={"confirm": customer.external_id})
    assert (begun.status_code, begun.json()["done"]) == (202, False)
    await running.erasure.finish(customer.id)
    done = (await api.get(f"/v1/erasures/{customer.id}")).json()
    assert (done["done"], done["receipt"]["keys"]) == (True, "kept")
    assert done["receipt"]["erased"]["organizations"] == 1


async def test_the_api_exports_with_and_without_a_person(api: httpx.AsyncClient, harbour: Customer) -> None:
    base = f"/v1/organizations/{harbour.organization.id}"
    person, connection = harbour.people[0], harbour.connections[0]
    assert document(await api.get(f"{base}/export"))["organizations"][0]["id"] == harbour.organization.id
    assert [
        row["id"] for row in document(await api.get(f"{base}/members/{person.id}/export"))["members"]
    ] == [person.id]
    box = document(await api.get(f"/v1/connections/{connection.id}/export"))
    assert [row["id"] for row in box["connections"]] == [connection.id]
    for missing in ("/v1/organizations/org_0/export", f"{base}/members/mem_0/export"):
        assert (await api.get(missing)).status_code == 404


async def test_an_erasure_that_a_worker_could_not_end_is_queued_again(
    running: Services, harbour: Customer, clock: MovableClock
) -> None:
    from ostiary.core.audit.model import SYSTEM

    await running.erasure.begin_organization(harbour.organization.id, actor=SYSTEM)
    assert await running.erasure.sweep() == 0
    clock.advance(timedelta(hours=1))
    assert await running.erasure.sweep() == 1
    await running.erasure.finish(harbour.organization.id)
    assert await running.erasure.sweep() == 0


async def test_an_empty_export_is_still_a_document() -> None:
    async def nothing() -> AsyncIterator[Any]:
        return
        yield

    assert json.loads("".join([piece async for piece in json_document(nothing())])) == {}


async def test_the_api_tells_when_credentials_end_and_nothing_secret(
    api: httpx.AsyncClient, running: Services
) -> None:
    answer = await api.get("/v1/credentials")
    (only,) = answer.json()["items"]
    assert (only["registration_id"], only["kind"], only["days_left"]) == ("main", "secret", None)
    assert only["client_id"] == running.settings.app_client_id
    assert running.settings.app_secret is not None
    assert running.settings.app_secret.get_secret_value() not in answer.text
