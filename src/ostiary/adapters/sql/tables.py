"""Every table of every feature, by importing the modules that define them."""

from ostiary.adapters.sql import (
    access,
    approvals,
    audit,
    checks,
    connect_sessions,
    connection_tokens,
    connections,
    consent,
    freezes,
    idempotency,
    incidents,
    notices,
    organizations,
    permission_uses,
    signin,
    tenants,
    trust_sessions,
)
from ostiary.adapters.sql.schema import metadata

__all__ = [
    "access",
    "approvals",
    "audit",
    "checks",
    "connect_sessions",
    "connection_tokens",
    "connections",
    "consent",
    "freezes",
    "idempotency",
    "incidents",
    "metadata",
    "notices",
    "organizations",
    "permission_uses",
    "signin",
    "tenants",
    "trust_sessions",
]
