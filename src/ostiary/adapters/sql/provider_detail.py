"""What Microsoft said, as a JSON column."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from ostiary.core.kernel.errors import ProviderDetail


def provider_values(detail: ProviderDetail | None) -> dict[str, Any] | None:
    """Return ``detail`` as it is stored."""
    if detail is None:
        return None
    return {
        "code": detail.code,
        "correlation_id": detail.correlation_id,
        "request_id": detail.request_id,
        "status": detail.status,
        "occurred_at": None if detail.occurred_at is None else detail.occurred_at.isoformat(),
    }


def provider_detail(stored: Mapping[str, Any] | None) -> ProviderDetail | None:
    """Return the detail that :func:`provider_values` stored."""
    if stored is None:
        return None
    occurred_at = stored.get("occurred_at")
    return ProviderDetail(
        code=stored.get("code"),
        correlation_id=stored.get("correlation_id"),
        request_id=stored.get("request_id"),
        status=stored.get("status"),
        occurred_at=None if occurred_at is None else datetime.fromisoformat(occurred_at),
    )
