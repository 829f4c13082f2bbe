"""After connecting: mail and calendar are read over either method, in one shape, by API and by command."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from ostiary.core.access.model import API_PERMISSIONS
from ostiary.core.audit.model import SYSTEM
from ostiary.core.connections.model import Connection, ConnectionStatus
from ostiary.core.consent.model import ConsentState
from ostiary.core.kernel.access_method import AccessMethod
from ostiary.settings import Settings

Company = Any
WINDOW = {"from": "2026-11-16T00:00:00Z", "to": "2026-12-07T00:00:00Z"}
SAME_OVER_BOTH = ("subject", "received_at", "is_read", "has_attachments", "importance", "sender", "to")


@pytest_asyncio.fixture
async def api(company: Company, client: httpx.AsyncClient) -> AsyncIterator[httpx.AsyncClient]:
    _, key = await company.app.access.create_api_key(name="App", permissions=API_PERMISSIONS, actor=SYSTEM)
    client.headers["Authorization"] = f"Bearer {key.reveal()}"
    yield client
    del client.headers["Authorization"]


async def connect(company: Company, method: AccessMethod) -> Connection:
    await company.approve(method)
    await company.confirm(await company.go())
    live = [each for each in await company.connections() if each.status is ConnectionStatus.CONNECTED]
    (connection,) = live
    assert connection.method is method
    return connection


@pytest.mark.parametrize("method", list(AccessMethod))
async def test_a_connected_mailbox_is_read_by_the_api(
    company: Company, api: httpx.AsyncClient, method: AccessMethod
) -> None:
    path = f"/v1/connections/{(await connect(company, method)).id}"

    folders = (await api.get(f"{path}/folders")).json()["items"]
    messages = (await api.get(f"{path}/messages", params={"folder": "inbox", "limit": "5"})).json()
    more = await api.get(
        f"{path}/messages", params={"folder": "inbox", "limit": "5", "cursor": messages["next_cursor"]}
    )
    whole = await api.get(f"{path}/messages/{messages['items'][0]['id']}")
    ids = [each["id"] for each in messages["items"]]
    many = await api.post(f"{path}/messages/batch-get", json={"ids": [*ids, "gone"]})
    calendars = (await api.get(f"{path}/calendars")).json()["items"]
    events = (await api.get(f"{path}/events", params=WINDOW)).json()["items"]

    inbox = next(folder for folder in folders if folder["well_known"] == "inbox")
    assert inbox["total_count"] >= 10
    assert len(messages["items"]) == 5
    assert not {each["id"] for each in messages["items"]} & {each["id"] for each in more.json()["items"]}
    assert whole.json()["subject"] == messages["items"][0]["subject"]
    assert whole.json()["text"] or whole.json()["html"]
    assert [calendar["is_default"] for calendar in calendars].count(True) == 1
    items = many.json()["items"]
    assert [each["id"] for each in items] == [*ids, "gone"]
    assert items[0] == {"id": ids[0], "message": whole.json(), "error": None}
    assert items[-1]["message"] is None
    assert items[-1]["error"]["code"] == "not_found"
    assert len(events) >= 3
    assert events == sorted(events, key=lambda event: event["starts_at"])
    assert {event["kind"] for event in events} & {"occurrence", "exception"}


async def test_both_methods_show_the_same_mailbox(company: Company, api: httpx.AsyncClient) -> None:
    shown: dict[AccessMethod, tuple[list[Any], list[Any]]] = {}
    for method in AccessMethod:
        connection = await connect(company, method)
        path = f"/v1/connections/{connection.id}"
        messages = (await api.get(f"{path}/messages", params={"folder": "inbox", "limit": "50"})).json()
        events = (await api.get(f"{path}/events", params=WINDOW)).json()
        assert events["next_cursor"] is None
        shown[method] = (
            [{name: each[name] for name in SAME_OVER_BOTH} for each in messages["items"]],
            [
                (each["subject"], each["starts_at"], each["ends_at"], each["kind"], each["show_as"])
                for each in events["items"]
            ],
        )
        await company.app.connections.disconnect(connection.id, organization_id="org_1", actor=SYSTEM)
        async with company.app.transactions() as tx:
            # The next one shall be by the other method alone.
            consents = await tx.consents.list_for_organization("org_1")
            for consent in consents:
                await tx.consents.save(replace(consent, state=ConsentState.WITHDRAWN))

    assert len(shown[AccessMethod.GRAPH][0]) > 10
    assert shown[AccessMethod.GRAPH] == shown[AccessMethod.EWS]


async def test_ews_that_is_switched_off_says_so(company: Company, api: httpx.AsyncClient) -> None:
    connection = await connect(company, AccessMethod.EWS)
    company.emulator.control("PATCH", "/tenants/harbourvale.example/policies", {"ews_enabled": False})

    answer = await api.get(f"/v1/connections/{connection.id}/messages")

    assert answer.status_code == 409
    assert (answer.json()["code"], answer.json()["reason"]) == ("access_blocked", "ews_off")


class Command:
    """Runs ``ostiary`` against the test's database and emulator."""

    def __init__(self, settings: Settings) -> None:
        assert settings.database_url is not None
        assert settings.app_secret is not None
        names = (
            "data_dir",
            "public_url",
            "vendor_name",
            "vendor_app_name",
            "vendor_publisher",
            "vendor_help_email",
            "vendor_data_kept",
            "app_client_id",
            "login_url",
            "graph_url",
            "ews_url",
        )
        values: dict[str, object] = {name: getattr(settings, name) for name in names}
        values |= {
            "profile": "development",
            "database_url": settings.database_url.get_secret_value(),
            "app_secret": settings.app_secret.get_secret_value(),
            "allow_client_secret": "true",
        }
        own = {f"OSTIARY_{name.upper()}": str(value) for name, value in values.items()}
        self._environment = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), **own}

    async def __call__(self, *words: str) -> tuple[int, str, str]:
        """Return exit code, standard output and standard error."""
        process = await asyncio.create_subprocess_exec(
            str(Path(sys.executable).parent / "ostiary"),
            *words,
            env=self._environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await asyncio.wait_for(process.communicate(), 60)
        assert process.returncode is not None
        return process.returncode, out.decode(), err.decode()


def let_time_run(company: Company) -> None:
    """A command lives by the machine's clock, so the emulator has to, too."""
    company.emulator.control("POST", "/clock", {"reset": True, "freeze": False})


@pytest.fixture
def ostiary(emulator_settings: Settings) -> Command:
    return Command(emulator_settings)


@pytest.mark.parametrize("method", list(AccessMethod))
async def test_a_connected_mailbox_is_read_by_command(
    company: Company, ostiary: Command, method: AccessMethod
) -> None:
    connection = await connect(company, method)
    let_time_run(company)

    code, out, _ = await ostiary("mail", "list", connection.address, "--limit", "3", "--json")
    listed = json.loads(out)
    assert (code, listed["ok"], len(listed["messages"])) == (0, True, 3)
    assert listed["messages"][0]["received_at"].endswith("Z")
    message = listed["messages"][0]

    code, out, _ = await ostiary("mail", "list", connection.address, "--limit", "3", "--whole", "--json")
    whole = json.loads(out)["messages"]
    assert [each["id"] for each in whole] == [each["id"] for each in listed["messages"]]
    assert all(each["text"] or each["html"] for each in whole)

    code, out, err = await ostiary("mail", "list", connection.reference, "--limit", "3", "--org", "hv")
    assert code == 0
    assert out.startswith("RECEIVED (UTC)")
    assert message["id"] in out
    assert "--cursor" in err

    code, out, _ = await ostiary("mail", "show", connection.id, message["id"])
    assert code == 0
    assert message["subject"].split()[0] in out
    assert out.startswith("From")

    code, out, _ = await ostiary(
        "calendar", "list", connection.address, "--from", "2026-11-16", "--to", "2026-12-07", "--json"
    )
    assert code == 0
    assert len(json.loads(out)["events"]) >= 3

    code, out, _ = await ostiary(
        "calendar", "list", connection.address, "--from", "2026-11-16", "--to", "2026-12-07"
    )
    assert code == 0
    assert out.startswith("WHEN (UTC)")


async def test_a_command_that_fails_says_why_and_ends_with_its_code(
    company: Company, ostiary: Command
) -> None:
    connection = await connect(company, AccessMethod.GRAPH)
    let_time_run(company)

    code, out, _ = await ostiary("mail", "list", "nobody@harbourvale.example", "--json")
    assert (code, json.loads(out)["ok"]) == (5, False)
    code, _, err = await ostiary("mail", "show", connection.id, "gone")
    assert code == 5
    assert err.startswith("✗")
    code, _, err = await ostiary("calendar", "list", connection.id, "--from", "someday")
    assert code == 2
    code, _, err = await ostiary(
        "calendar", "list", connection.id, "--from", "2026-11-24", "--to", "2026-11-23"
    )
    assert code == 2
