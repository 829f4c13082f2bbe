"""The site as a process serves it: probes, metrics, and stopping in order."""

from __future__ import annotations

import httpx
import pytest

from ostiary.bootstrap import Services


async def test_probes_answer_and_name_nobody(client: httpx.AsyncClient) -> None:
    alive = await client.get("/healthz")
    ready = await client.get("/readyz")
    assert (alive.status_code, alive.text) == (200, "ok\n")
    assert ready.status_code == 200
    assert ready.json() == {"ready": True}
    details = (await client.get("/health")).json()
    assert details["parts"] == {"accepting": True, "database": True, "keys": True}
    assert set(details) == {"ready", "version", "parts"}


async def test_readiness_turns_off_before_the_process_stops(app: Services, client: httpx.AsyncClient) -> None:
    app.health.stopping = True
    answer = await client.get("/readyz")
    assert answer.status_code == 503
    assert (await client.get("/health")).json()["parts"]["accepting"] is False
    assert (await client.get("/healthz")).status_code == 200
    app.health.stopping = False


async def test_metrics_count_routes_and_not_what_was_asked(client: httpx.AsyncClient) -> None:
    await client.get("/connect/s/a-secret-in-a-path")
    text = (await client.get("/metrics")).text
    assert "ostiary_http_requests_total" in text
    assert "a-secret-in-a-path" not in text


async def test_emulator_is_reached_by_the_service(app: Services) -> None:
    (registration,) = app.registrations
    state = await app.signin._server.service_principal_state(  # type: ignore[attr-defined]
        registration, tenant_id="9c2f0b7a-51de-4a66-8f3e-1d7a40e2b918"
    )
    assert state == "absent"


async def test_log_names_the_connection_and_never_a_secret_of_the_path(
    client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="ostiary.web")
    await client.get("/v1/connections/con_7q/folders")
    await client.get("/connect/s/a-secret-in-a-path")
    text = "\n".join(str(record.msg) for record in caplog.records)
    assert "con_7q" in text
    assert "a-secret-in-a-path" not in text


async def test_where_to_report_a_weakness_is_said_where_researchers_look(client: httpx.AsyncClient) -> None:
    answer = await client.get("/.well-known/security.txt")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    fields = dict(line.split(": ", 1) for line in answer.text.splitlines())
    assert fields["Contact"] == "mailto:help@larkspur.example"
    # RFC 9116: no more than a year ahead.
    assert fields["Expires"] == "2026-12-24T12:00:00Z"
    assert fields["Canonical"].endswith("/.well-known/security.txt")


@pytest.mark.parametrize(
    "path",
    ["/admin-consent/done/%00", "/trust/return/a%00b", "/connect/approval/%0D%0Ax", "/v1/connections/%00"],
)
async def test_an_address_with_a_control_character_is_nobodys(client: httpx.AsyncClient, path: str) -> None:
    assert (await client.get(path)).status_code == 404
