"""The vendor's side over HTTP: make a session, confirm, check, pause, resume, reconnect, disconnect."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
import pytest_asyncio

from ostiary.bootstrap import Services
from ostiary.core.access.model import API_PERMISSIONS
from ostiary.core.audit.model import SYSTEM

TOM = "tom.ellis@harbourvale.example"
RETURN_URL = "https://app.larkspur.example/connected"
Company = Any


@pytest_asyncio.fixture
async def api(app: Services, client: httpx.AsyncClient) -> httpx.AsyncClient:
    _, key = await app.access.create_api_key(name="tests", permissions=API_PERMISSIONS, actor=SYSTEM)
    client.headers["Authorization"] = f"Bearer {key.reveal()}"
    return client


async def ok(answer: httpx.Response, status: int = 200) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    return dict(answer.json())


async def connect(company: Company, api: httpx.AsyncClient) -> dict[str, Any]:
    await company.approve()
    made = await ok(await api.post("/v1/connect-sessions", json=session_body()), 201)
    page = await company.browser.open(urlsplit(made["url"]).path)
    back = await company.browser.sign_in(await company.browser.press(page, "Continue to Microsoft"), TOM)
    query = parse_qs(urlsplit(back.url).query)
    assert query["connect_session"] == [made["id"]]
    return await ok(
        await api.post(
            f"/v1/connect-sessions/{made['id']}/confirm",
            json={"completion_code": query["completion_code"][0]},
        )
    )


def session_body(**changes: Any) -> dict[str, Any]:
    return {"organization_id": "org_1", "member_id": "mem_1", "return_url": RETURN_URL, **changes}


async def test_the_whole_life_of_a_connection(company: Company, api: httpx.AsyncClient) -> None:
    connection = await connect(company, api)
    path = f"/v1/connections/{connection['id']}"
    assert (connection["status"], connection["address"]) == ("connected", TOM)
    assert await ok(await api.get(path)) == connection
    listed = await ok(await api.get("/v1/connections", params={"organization_id": "org_1"}))
    assert [each["id"] for each in listed["items"]] == [connection["id"]]
    assert (await ok(await api.post(f"{path}/check")))["status"] == "connected"
    assert (await ok(await api.post(f"{path}/pause")))["status"] == "paused"
    assert (await ok(await api.get(f"{path}/folders"), 409))["code"] == "connection_not_usable"
    assert (await ok(await api.post(f"{path}/resume")))["status"] == "connected"
    again = await ok(await api.post(f"{path}/reconnect-session", json={"return_url": RETURN_URL}), 201)
    assert again["connection_id"] == connection["id"]
    receipt = await ok(await api.post(f"{path}/disconnect"))
    assert (receipt["tokens_destroyed"], receipt["connection"]["status"]) == (True, "disconnected")
    assert not (await ok(await api.post(f"{path}/disconnect")))["tokens_destroyed"]
    await ok(await api.post(f"{path}/resume"), 409)
    await ok(await api.post(f"{path}/reconnect-session", json={}), 404)


async def test_a_check_shows_what_is_wrong_and_a_passing_fault_changes_nothing(
    company: Company, api: httpx.AsyncClient, move_time
) -> None:
    connection = await connect(company, api)
    path = f"/v1/connections/{connection['id']}"
    company.emulator.set_scenario("harbourvale.example", "microsoft_down")
    await ok(await api.post(f"{path}/check"), 503)
    assert (await ok(await api.get(path)))["status"] == "connected"
    move_time(timedelta(hours=2))
    company.emulator.set_scenario("harbourvale.example", "sign_in_needed")
    checked = await ok(await api.post(f"{path}/check"))
    assert (checked["status"], checked["reason"]) == ("needs_sign_in", "sign_in_needed")
    failed = await ok(await api.get(f"{path}/folders"), 409)
    assert (failed["code"], failed["reason"]) == ("reauthorization_required", "sign_in_needed")


async def test_a_withdrawn_approval_makes_the_connection_wait_and_a_new_one_mends_it(
    company: Company, api: httpx.AsyncClient, move_time
) -> None:
    connection = await connect(company, api)
    path = f"/v1/connections/{connection['id']}"
    company.emulator.control("DELETE", "/tenants/harbourvale.example/grants")
    move_time(timedelta(hours=2))
    checked = await ok(await api.post(f"{path}/check"))
    assert (checked["status"], checked["reason"]) == ("waiting_for_approval", "consent_withdrawn")
    await company.approve()
    assert await company.app.connections.recheck_waiting("org_1") == 1
    assert (await ok(await api.get(path)))["status"] == "connected"


async def test_a_confirmation_with_another_code_is_refused(company: Company, api: httpx.AsyncClient) -> None:
    made = await ok(await api.post("/v1/connect-sessions", json=session_body()), 201)
    path = f"/v1/connect-sessions/{made['id']}"
    refused = await ok(await api.post(f"{path}/confirm", json={"completion_code": "x" * 43}), 400)
    assert (refused["code"], refused["reason"]) == ("flow_rejected", "not_finished")
    session = await ok(await api.get(path))
    assert session["state"] == "open"
    assert "url" not in session
    await ok(await api.post("/v1/connect-sessions/cs_unknown/confirm", json={"completion_code": "x"}), 404)


@pytest.mark.parametrize(
    "address",
    [
        RETURN_URL + "/",
        RETURN_URL + "?x=1",
        RETURN_URL + "#x",
        RETURN_URL.upper(),
        RETURN_URL.replace("https", "http"),
        RETURN_URL.replace("https:", ""),
        "https://app.larkspur.example",
        "https://app.larkspur.example.attacker.example/connected",
        "https://app.larkspur.example@attacker.example/connected",
        "https://attacker.example/https://app.larkspur.example/connected",
        "//attacker.example/connected",
        "\\\\attacker.example",
        "javascript:alert(1)",
        "data:text/html,x",
        "/connected",
        "",
    ],
)
async def test_only_a_registered_address_is_returned_to(
    company: Company, api: httpx.AsyncClient, address: str
) -> None:
    refused = await api.post("/v1/connect-sessions", json=session_body(return_url=address))
    assert refused.status_code == 400
    assert refused.json()["errors"][0]["field"] == "return_url"


async def test_a_member_of_another_organization_is_not_found(
    company: Company, api: httpx.AsyncClient
) -> None:
    await ok(await api.post("/v1/connect-sessions", json=session_body(organization_id="org_2")), 404)
    await ok(await api.post("/v1/connect-sessions", json=session_body(member_id="mem_9")), 404)
