"""No secret reaches a log line, whichever way it tries."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Callable, Iterator

import pytest
import structlog

from ostiary.core.kernel.secret import Secret
from ostiary.logs import REDACTED, configure_logging

CANARY = "canary-7Hq2mZ9xKfWvTb4N"
JWT = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl"

Lines = Callable[[], list[dict[str, object]]]


@pytest.fixture(autouse=True)
def own_logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level, config = list(root.handlers), root.level, structlog.get_config()
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.configure(**config)


@pytest.fixture
def lines() -> Lines:
    stream = io.StringIO()
    configure_logging(level="DEBUG", log_format="json", stream=stream)
    return lambda: [json.loads(line) for line in stream.getvalue().splitlines()]


@pytest.mark.parametrize(
    "fields",
    [
        {"refresh_token": CANARY},
        {"headers": {"Authorization": f"Bearer {CANARY}"}},
        {"cookies": [{"set-cookie": CANARY}]},
        {"url": f"https://login.example/return?code={CANARY}&state={CANARY}"},
        {"path": f"/admin-consent/l/{CANARY}"},
        {"path": f"/connect/s/{CANARY}"},
        {"dsn": f"postgresql://ostiary:{CANARY}@db/ostiary"},
        {"value": Secret(CANARY)},
        {"body": CANARY.encode()},
        {"note": f"sent Authorization: Bearer {CANARY}"},
    ],
)
def test_field_that_carries_a_secret_is_masked(lines: Lines, fields: dict[str, object]) -> None:
    structlog.get_logger("ostiary.test").info("something happened", **fields)
    (line,) = lines()
    assert CANARY not in json.dumps(line)
    assert line["event"] == "something happened"


def test_secret_in_a_traceback_is_masked(lines: Lines) -> None:
    try:
        raise RuntimeError(f"GET https://x.example/?access_token={CANARY} with {JWT}")
    except RuntimeError:
        logging.getLogger("somebody.else").exception("request failed")
    (line,) = lines()
    assert CANARY not in json.dumps(line)
    assert JWT not in json.dumps(line)
    assert "RuntimeError" in str(line["exception"])


def test_ids_and_codes_for_support_stay_readable(lines: Lines) -> None:
    structlog.contextvars.bind_contextvars(request_id="req_1", connection_id="con_1", tenant_id="t_1")
    try:
        structlog.get_logger("ostiary.test").warning(
            "refused", provider_code="AADSTS65001", reason="not_admin"
        )
    finally:
        structlog.contextvars.clear_contextvars()
    (line,) = lines()
    assert line["request_id"] == "req_1"
    assert line["connection_id"] == "con_1"
    assert line["tenant_id"] == "t_1"
    assert line["provider_code"] == "AADSTS65001"
    assert line["level"] == "warning"
    assert REDACTED not in json.dumps(line, ensure_ascii=False)


def test_text_format_is_masked_too() -> None:
    stream = io.StringIO()
    configure_logging(level="INFO", log_format="text", stream=stream)
    structlog.get_logger("ostiary.test").info("sent", client_secret=CANARY, url=f"/x?code={CANARY}")
    assert CANARY not in stream.getvalue()
    assert "sent" in stream.getvalue()


def test_unknown_level_or_format_is_refused() -> None:
    with pytest.raises(ValueError, match="level"):
        configure_logging(level="LOUD", log_format="json")
    with pytest.raises(ValueError, match="format"):
        configure_logging(level="INFO", log_format="xml")
