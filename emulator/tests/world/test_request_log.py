"""The record of exchanges is kept where it was asked for."""

from __future__ import annotations

from pathlib import Path

from m365_emulator.world.request_log import LoggedRequest, RequestLog
from m365_emulator.world.world import World


def test_world_keeps_the_record_it_was_given(tmp_path: Path) -> None:
    """A log without entries is one all the same."""
    record = tmp_path / "exchanges"
    world = World(request_log=RequestLog(record_to=record))

    world.request_log.add(
        LoggedRequest(
            number=1,
            at="2026-11-24T12:00:00+00:00",
            method="GET",
            host="localhost",
            path="/v1.0/me",
            query="",
            status=200,
            milliseconds=1.0,
            tenant_id=None,
            app_id=None,
            correlation_id=None,
            fault=None,
            request_headers={},
            request_body="",
            response_headers={},
            response_body="",
        )
    )

    assert '"/v1.0/me"' in record.read_text()
