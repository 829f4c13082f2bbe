"""Switches of Graph and EWS over the control API and the command: limits, strictness, subscriptions, stale tokens."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from m365_emulator.entra.tokens import issue_access_token
from m365_emulator.ews.state import state_of
from m365_emulator.graph.subscriptions import notifier
from m365_emulator.pytest_plugin import RunningEmulator
from m365_emulator.server import Emulator
from m365_emulator.world.world import World
from sample import CLIENT_ID, HTTP, TOM

COMMAND = str(Path(sys.executable).with_name("m365-emulator"))
NAMES = (
    'xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"'
    ' xmlns:m="http://schemas.microsoft.com/exchange/services/2006/messages"'
    ' xmlns:t="http://schemas.microsoft.com/exchange/services/2006/types"'
)
INBOX = '<t:DistinguishedFolderId Id="inbox"/>'
SHAPE = "<t:BaseShape>IdOnly</t:BaseShape>"
GET_INBOX = f"<m:FolderShape>{SHAPE}</m:FolderShape><m:FolderIds>{INBOX}</m:FolderIds>"


def bearer(world: World, audience: str, *scopes: str) -> dict[str, str]:
    user = world.find_user(TOM)
    assert user is not None
    token, _ = issue_access_token(
        world,
        tenant=user.tenant,
        app=world.apps[CLIENT_ID],
        audience=audience,
        authentication="1",
        user=user,
        scopes=list(scopes),
    )
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture
def graph(m365_emulator: RunningEmulator) -> Callable[..., httpx.Response]:
    """Calls Graph as Tom."""
    headers = bearer(m365_emulator.world, "https://graph.microsoft.com", "Mail.ReadWrite")

    def call(method: str, path: str, json: Any = None) -> httpx.Response:
        url = path if path.startswith("http") else f"{m365_emulator.http_url}/v1.0{path}"
        return HTTP.request(method, url, json=json, headers=headers)

    return call


@pytest.fixture
def ews(m365_emulator: RunningEmulator) -> Callable[[str, str], str]:
    """Calls an operation of EWS as Tom."""
    headers = bearer(m365_emulator.world, "https://outlook.office365.com", "EWS.AccessAsUser.All")

    def call(operation: str, content: str) -> str:
        envelope = (
            f"<s:Envelope {NAMES}><s:Body><m:{operation}>{content}</m:{operation}></s:Body></s:Envelope>"
        )
        answer = HTTP.post(
            f"{m365_emulator.http_url}/EWS/Exchange.asmx",
            content=envelope,
            headers=headers | {"Content-Type": "text/xml"},
        )
        return answer.text

    return call


def run(emulator: RunningEmulator, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "M365_EMULATOR_URL": emulator.http_url}
    return subprocess.run(
        [COMMAND, *arguments], env=environment, capture_output=True, text=True, timeout=30, check=False
    )


def test_graph_is_throttled_as_told_until_the_next_reset(
    m365_emulator: RunningEmulator, graph: Callable[..., httpx.Response]
) -> None:
    changed = m365_emulator.control("PATCH", "/services/graph", {"requests": 2, "window_seconds": 30})
    assert (changed["requests"], changed["window_seconds"], changed["concurrent"]) == (2, 30, 4)

    statuses = [graph("GET", "/me/mailFolders/inbox").status_code for _ in range(3)]
    assert statuses == [200, 200, 429]
    m365_emulator.advance(31)
    assert graph("GET", "/me/mailFolders/inbox").status_code == 200

    m365_emulator.reset()
    assert m365_emulator.control("GET", "/services/graph")["requests"] == 10_000


def test_ews_is_throttled_as_told(m365_emulator: RunningEmulator, ews: Callable[[str, str], str]) -> None:
    m365_emulator.control("PATCH", "/services/ews", {"requests": 1, "window_seconds": 60})
    assert "NoError" in ews("GetFolder", GET_INBOX)
    assert "BackOffMilliseconds" in ews("GetFolder", GET_INBOX)

    m365_emulator.control("PATCH", "/services/ews", {"requests": None})
    assert "NoError" in ews("GetFolder", GET_INBOX)


def test_ews_refuses_elements_out_of_order_once_it_is_strict(
    m365_emulator: RunningEmulator, ews: Callable[[str, str], str]
) -> None:
    turned = f"<m:FolderIds>{INBOX}</m:FolderIds><m:FolderShape>{SHAPE}</m:FolderShape>"
    assert "NoError" in ews("GetFolder", turned)
    assert m365_emulator.control("PATCH", "/services/ews", {"strict_schema": True})["strict_schema"] is True
    assert "ErrorSchemaValidation" in ews("GetFolder", turned)
    assert "NoError" in ews("GetFolder", GET_INBOX)


@pytest.mark.parametrize(
    ("service", "body", "complaint"),
    [
        ("graph", {"requests": "many"}, "whole number"),
        ("graph", {"requests": None}, "whole number"),
        ("graph", {"concurrent": True}, "whole number"),
        ("graph", {"hold_seconds": 1e9}, "from 0 to 60"),
        ("graph", {"window_seconds": -1}, "a number from"),
        ("graph", {"speed": 1}, "Unknown setting: speed"),
        ("ews", {"strict_schema": "yes"}, "true or false"),
        ("ews", {"requests": 1.5}, "or null"),
        ("ews", {"concurrent": 4}, "Unknown setting"),
    ],
)
def test_a_wrong_setting_is_refused_and_changes_nothing(
    m365_emulator: RunningEmulator, service: str, body: dict[str, Any], complaint: str
) -> None:
    before = m365_emulator.control("GET", f"/services/{service}")
    with pytest.raises(ValueError, match=complaint):
        m365_emulator.control("PATCH", f"/services/{service}", {"window_seconds": 7, **body})
    assert m365_emulator.control("GET", f"/services/{service}") == before


def test_forgotten_changes_make_delta_links_and_sync_states_stale(
    m365_emulator: RunningEmulator, graph: Callable[..., httpx.Response], ews: Callable[[str, str], str]
) -> None:
    page = graph("GET", "/me/mailFolders/inbox/messages/delta?$top=100").json()
    while "@odata.nextLink" in page:
        page = graph("GET", page["@odata.nextLink"]).json()
    shape = f"<m:FolderShape>{SHAPE}</m:FolderShape>"
    state = ews("SyncFolderHierarchy", shape).partition("SyncState>")[2].partition("<")[0]

    m365_emulator.control("POST", f"/users/{TOM}/forget-changes", {"older_than_seconds": 3_600})
    assert graph("GET", page["@odata.deltaLink"]).status_code == 200
    m365_emulator.control("POST", f"/users/{TOM}/forget-changes", {})

    assert graph("GET", page["@odata.deltaLink"]).status_code == 410
    again = ews("SyncFolderHierarchy", f"{shape}<m:SyncState>{state}</m:SyncState>")
    assert "ErrorInvalidSyncStateData" in again


def test_only_tokens_from_before_an_age_grow_stale(
    m365_emulator: RunningEmulator, graph: Callable[..., httpx.Response]
) -> None:
    def whole_round() -> str:
        page = graph("GET", "/me/mailFolders/inbox/messages/delta?$top=100").json()
        while "@odata.nextLink" in page:
            page = graph("GET", page["@odata.nextLink"]).json()
        return str(page["@odata.deltaLink"])

    old = whole_round()
    graph("POST", "/me/messages", {"subject": "after the first round"})
    young = whole_round()
    m365_emulator.advance(600)
    graph("POST", "/me/messages", {"subject": "later"})

    m365_emulator.control("POST", f"/users/{TOM}/forget-changes", {"older_than_seconds": 300})

    assert (graph("GET", old).status_code, graph("GET", young).status_code) == (410, 200)


def test_every_lifecycle_event_can_be_asked_for(
    m365_emulator: RunningEmulator, graph: Callable[..., httpx.Response], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Nobody listens here; that what is asked for arrives is proved in `graph/test_subscriptions.py`.
    async def agrees(*_: object) -> None:
        return None

    monkeypatch.setattr("m365_emulator.graph.subscriptions.requests.shake_hands", agrees)
    created = graph(
        "POST",
        "/subscriptions",
        {
            "changeType": "created",
            "notificationUrl": f"{m365_emulator.http_url}/healthz",
            "lifecycleNotificationUrl": f"{m365_emulator.http_url}/healthz?lifecycle",
            "resource": "/me/mailFolders('inbox')/messages",
            "expirationDateTime": (m365_emulator.world.clock.now() + timedelta(days=1)).isoformat(),
        },
    ).json()
    listed = m365_emulator.control("GET", "/subscriptions")["graph"]
    assert [one["id"] for one in listed] == [created["id"]]
    path = f"/subscriptions/{created['id']}/lifecycle"

    for event in ("missed", "reauthorizationRequired", "subscriptionRemoved"):
        assert m365_emulator.control("POST", path, {"event": event})["event"] == event

    assert m365_emulator.control("GET", "/subscriptions")["graph"] == []
    with pytest.raises(ValueError, match="no Graph subscription"):
        m365_emulator.control("POST", path, {"event": "missed"})


def test_a_lifecycle_event_must_be_known_and_have_somewhere_to_go(m365_emulator: RunningEmulator) -> None:
    assert notifier.of(m365_emulator.world).all() == []
    with pytest.raises(ValueError, match="no Graph subscription"):
        m365_emulator.control("POST", "/subscriptions/none/lifecycle", {"event": "missed"})
    with pytest.raises(ValueError, match="'event' must be a text"):
        m365_emulator.control("POST", "/subscriptions/none/lifecycle", {})


def test_ews_subscriptions_are_listed_and_lost(
    m365_emulator: RunningEmulator, ews: Callable[[str, str], str]
) -> None:
    request = (
        f"<m:PullSubscriptionRequest><t:FolderIds>{INBOX}</t:FolderIds><t:EventTypes>"
        "<t:EventType>NewMailEvent</t:EventType></t:EventTypes><t:Timeout>10</t:Timeout></m:PullSubscriptionRequest>"
    )
    assert "NoError" in ews("Subscribe", request)
    [subscription] = m365_emulator.control("GET", "/subscriptions")["ews"]
    assert (subscription["kind"], subscription["app_id"]) == ("pull", CLIENT_ID)

    assert m365_emulator.control("POST", "/services/ews/lose-subscriptions", {}) == {"lost": 1}
    assert m365_emulator.control("GET", "/subscriptions")["ews"] == []


async def test_nothing_runs_on_once_the_server_has_stopped_and_subscriptions_are_kept(tmp_path: Path) -> None:
    before = asyncio.all_tasks()
    emulator = Emulator(World(), tmp_path)
    await emulator.start()
    headers = bearer(emulator.world, "https://outlook.office365.com", "EWS.AccessAsUser.All")
    # The subscriber hangs: it accepts connections and never answers.
    with socket.create_server(("127.0.0.1", 0)) as subscriber:
        request = (
            f"<s:Envelope {NAMES}><s:Body><m:Subscribe><m:PushSubscriptionRequest><t:FolderIds>{INBOX}</t:FolderIds>"
            "<t:EventTypes><t:EventType>NewMailEvent</t:EventType></t:EventTypes>"
            "<t:StatusFrequency>1</t:StatusFrequency>"
            f"<t:URL>http://127.0.0.1:{subscriber.getsockname()[1]}/</t:URL></m:PushSubscriptionRequest></m:Subscribe>"
            "</s:Body></s:Envelope>"
        )
        async with httpx.AsyncClient(base_url=emulator.http_url, timeout=20, trust_env=False) as client:
            answer = await client.post(
                "/EWS/Exchange.asmx", content=request, headers=headers | {"Content-Type": "text/xml"}
            )
        assert "NoError" in answer.text
        await asyncio.sleep(0)

        await emulator.stop()

    assert asyncio.all_tasks() == before
    [kept] = state_of(emulator.world).subscriptions.all()
    assert (kept.kind, kept.stop) == ("push", None)


def test_the_command_changes_the_services(m365_emulator: RunningEmulator) -> None:
    assert '"requests": 3' in run(m365_emulator, "services", "graph", "--requests", "3").stdout
    run(m365_emulator, "services", "ews", "--strict-schema", "--requests", "5", "--window", "2m")
    assert m365_emulator.control("GET", "/services/ews") == {
        "strict_schema": True,
        "requests": 5,
        "window_seconds": 120,
    }
    run(m365_emulator, "services", "ews", "--lax-schema", "--requests", "-1")
    assert '"requests": null' in run(m365_emulator, "services", "ews").stdout
    assert '"graph": []' in run(m365_emulator, "subscriptions", "list").stdout
    assert run(m365_emulator, "subscriptions", "lose").stdout == "lost 0\n"
    assert "no Graph subscription" in run(m365_emulator, "subscriptions", "lifecycle", "x", "missed").stderr
    assert "remembers_from" in run(m365_emulator, "forget-changes", TOM, "--older-than", "1d").stdout


def test_access_gates_are_policies_and_settings_of_people(
    m365_emulator: RunningEmulator, graph: Callable[..., httpx.Response], ews: Callable[[str, str], str]
) -> None:
    policies = {"ews_application_access_policy": "EnforceAllowList", "ews_allow_list": ["Backup/*"]}
    m365_emulator.control("PATCH", "/tenants/harbourvale.example/policies", policies)
    assert graph("GET", "/me/messages").json()["error"]["message"] == "Access to OData is disabled."
    assert ews("GetFolder", GET_INBOX) == ""
    m365_emulator.control(
        "PATCH", "/tenants/harbourvale.example/policies", {"ews_application_access_policy": None}
    )
    m365_emulator.world.clock.set(datetime(2026, 11, 24, tzinfo=UTC))
    assert m365_emulator.control("PATCH", f"/users/{TOM}", {"frontline_licence": True})["frontline_licence"]


@pytest.mark.parametrize(
    "change",
    [
        {"ews_application_access_policy": "EnforceNothing"},
        {"ews_allow_list": [1]},
        {"ews_block_list": "*"},
        {"frontline_licence": "F1"},
    ],
)
def test_a_wrong_access_gate_is_refused(m365_emulator: RunningEmulator, change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"must be|wrong type"):
        m365_emulator.control("PATCH", f"/users/{TOM}", change)


def test_access_gates_can_be_sown(m365_emulator: RunningEmulator) -> None:
    sown = """
tenants:
  - name: Example Company
    domains: [company.example]
    policies: {ews_application_access_policy: EnforceBlockList, ews_block_list: ["Backup/*"]}
    people:
      - {name: Person One, address: one@company.example, frontline_licence: true, ews_allow_list: [a, b]}
"""
    try:
        m365_emulator.control("POST", "/reset", {"yaml": sown})
        person = m365_emulator.control("GET", "/users/one@company.example")
        tenant = m365_emulator.control("GET", "/tenants/company.example")
        wrong = sown.replace("frontline_licence: true", "ews_application_access_policy: No")
        with pytest.raises(ValueError, match="access policy"):
            m365_emulator.control("POST", "/reset", {"yaml": wrong})
    finally:
        m365_emulator.world.source = type(m365_emulator.world.source)(
            messages_per_mailbox=m365_emulator.world.source.messages_per_mailbox
        )
    assert (person["frontline_licence"], person["ews_allow_list"]) == (True, ["a", "b"])
    assert tenant["policies"]["ews_block_list"] == ["Backup/*"]
