"""Every table of every feature, by importing the modules that define them."""

from ostiary.adapters.sql import (
    access,
    approvals,
    audit,
    connect_sessions,
    connection_tokens,
    connections,
    consent,
    freezes,
    idempotency,
    notices,
    organizations,
    signin,
    tenants,
)
from ostiary.adapters.sql.schema import metadata

__all__ = [
    "access",
    "approvals",
    "audit",
    "connect_sessions",
    "connection_tokens",
    "connections",
    "consent",
    "freezes",
    "idempotency",
    "metadata",
    "notices",
    "organizations",
    "signin",
    "tenants",
]
