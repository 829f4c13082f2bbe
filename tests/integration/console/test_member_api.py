"""People over the API: changed one by one, or imported from a file, by the vendor's own id."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from ostiary.bootstrap import Services

from ..console_world import Customer

CSV = {"Content-Type": "text/csv; charset=utf-8"}


def path_of(customer: Customer) -> str:
    return f"/v1/organizations/{customer.organization.id}/members"


def person(external_id: str, **changes: Any) -> dict[str, Any]:
    return {
        "external_id": external_id,
        "email": f"{external_id}@hv.example",
        "display_name": "Somebody New",
        **changes,
    }


async def whats(running: Services, customer: Customer, member_id: str) -> list[str]:
    async with running.transactions() as transaction:
        page = await transaction.audit.page(
            organization_id=customer.organization.id, object_id=member_id, what_prefix="member."
        )
    return [record.what for record in page.items]


async def jobs(database: AsyncEngine) -> list[str]:
    async with database.connect() as sql:
        rows = await sql.execute(text("SELECT task_name FROM procrastinate_jobs ORDER BY id"))
        return [name for (name,) in rows if name.startswith("licences.")]


async def test_put_adds_changes_and_repeats_by_the_vendors_own_id(
    api: httpx.AsyncClient, running: Services, harbour: Customer, database: AsyncEngine
) -> None:
    path = path_of(harbour)
    made = await api.put(path, json=person("n1", licensed=True))
    assert (made.status_code, made.json()["licensed"], made.json()["role"]) == (201, True, "member")
    again = await api.put(path, json=person("n1"))
    assert (again.status_code, again.json()) == (200, made.json())
    assert await whats(running, harbour, made.json()["id"]) == ["member.added"]
    changed = await api.put(path, json=person("n1", display_name="Renamed", licensed=False))
    assert changed.json() == {**made.json(), "display_name": "Renamed", "licensed": False}
    assert await jobs(database) == ["licences.taken"]
    assert await whats(running, harbour, made.json()["id"]) == ["member.changed", "member.added"]


async def test_patch_changes_only_what_is_given(
    api: httpx.AsyncClient, harbour: Customer, other: Customer, database: AsyncEngine
) -> None:
    before = harbour.people[7]
    assert not before.licensed
    path = f"{path_of(harbour)}/{before.id}"
    moved = await api.patch(path, json={"email": "moved@hv.example"})
    assert (moved.json()["email"], moved.json()["display_name"]) == ("moved@hv.example", before.display_name)
    assert (await api.patch(path, json={"licensed": True})).json()["licensed"] is True
    assert await jobs(database) == ["licences.given"]
    assert (await api.patch(path, json={"role": "organization_admin"})).json()["role"] == "organization_admin"
    assert (await api.patch(path, json={"email": "not an address"})).status_code == 400
    assert (await api.patch(path, json={"external_id": "x"})).status_code == 400
    elsewhere = f"{path_of(other)}/{before.id}"
    assert (await api.patch(elsewhere, json={"display_name": "X"})).status_code == 404


@pytest.mark.parametrize("way", ["put", "patch"])
async def test_an_address_of_somebody_else_the_last_admin_and_missing_licences_refuse_the_whole_change(
    api: httpx.AsyncClient, running: Services, harbour: Customer, way: str
) -> None:
    admin, colleague = harbour.admin, harbour.people[0]

    async def try_to(**changes: Any) -> httpx.Response:
        if way == "patch":
            return await api.patch(f"{path_of(harbour)}/{admin.id}", json=changes)
        body = {"external_id": admin.external_id, "email": admin.email, "display_name": admin.display_name}
        return await api.put(path_of(harbour), json={**body, **changes})

    assert (await try_to(email=colleague.email.upper(), display_name="X")).status_code == 409
    assert (await try_to(role="member", display_name="X")).status_code == 409
    kept = await running.organizations.get_member(admin.id, organization_id=harbour.organization.id)
    assert kept == admin


async def test_no_more_licences_than_the_customer_has(api: httpx.AsyncClient) -> None:
    made = await api.post(
        "/v1/organizations", json={"external_id": "small", "name": "Small", "seat_count": 1}
    )
    path = f"/v1/organizations/{made.json()['id']}/members"
    assert (await api.put(path, json=person("a", licensed=True))).status_code == 201
    assert (await api.put(path, json=person("b", licensed=True))).status_code == 409
    second = await api.put(path, json=person("b"))
    assert (await api.patch(f"{path}/{second.json()['id']}", json={"licensed": True})).status_code == 409


FILE = "id,email,name,licence\nn1,n1@hv.example,New One,yes\nu1,u1@hv.example,Renamed,\n"


async def test_an_import_is_previewed_applied_and_harmless_when_repeated(
    api: httpx.AsyncClient, harbour: Customer
) -> None:
    path = f"{path_of(harbour)}/import"
    seen = (await api.post(f"{path}/preview", content=FILE, headers=CSV)).json()
    assert (seen["saved"], seen["can_apply"], seen["added"], seen["changed"]) == (False, True, 1, 1)
    assert [(each["line"], each["kind"], each["external_id"]) for each in seen["changes"]] == [
        (2, "added", "n1"),
        (3, "changed", "u1"),
    ]
    found = (await api.get(path_of(harbour), params={"search": "New One"})).json()
    assert found["items"] == []
    done = await api.post(
        f"{path}/apply", content=FILE, headers=CSV, params={"fingerprint": seen["fingerprint"]}
    )
    assert (done.json()["saved"], done.json()["added"]) == (True, 1)
    again = (await api.post(f"{path}/apply", content=FILE, headers=CSV)).json()
    assert (again["added"], again["changed"], again["same"]) == (0, 0, 2)
    stale = await api.post(
        f"{path}/apply", content=FILE, headers=CSV, params={"fingerprint": seen["fingerprint"]}
    )
    assert stale.status_code == 409


async def test_errors_are_told_by_line_and_nothing_of_the_file_is_saved(
    api: httpx.AsyncClient, harbour: Customer
) -> None:
    path = f"{path_of(harbour)}/import"
    broken = FILE + "n2,nonsense,Two,\nn3,n3@hv.example,=cmd(),\n"
    seen = (await api.post(f"{path}/preview", content=broken, headers=CSV)).json()
    assert [(each["line"], each["column"]) for each in seen["errors"]] == [(4, "email"), (5, "name")]
    assert not seen["can_apply"]
    refused = await api.post(f"{path}/apply", content=broken, headers=CSV)
    assert (refused.status_code, "Line 4" in refused.json()["detail"]) == (400, True)
    assert (await api.get(path_of(harbour), params={"search": "New One"})).json()["items"] == []
    as_json = await api.post(f"{path}/preview", json={"file": FILE})
    assert as_json.status_code == 400
