"""The connection pool."""

from __future__ import annotations

from sqlalchemy import URL, make_url
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine


def create_engine(
    database_url: str, *, pool_size: int = 10, statement_timeout_seconds: float = 15.0
) -> AsyncEngine:
    """Return a pooled engine on psycopg; connects to nothing yet.

    Args:
        database_url: ``postgresql://…`` as PostgreSQL's own tools take it.
        pool_size: Most connections this process opens.
        statement_timeout_seconds: The server ends a statement that takes longer (SR-106).
    """
    milliseconds = int(statement_timeout_seconds * 1000)
    return create_async_engine(
        driver_url(database_url),
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=10,
        pool_pre_ping=True,
        # Errors would quote what was to be stored: hashes, sealed tokens, people's addresses (SR-43).
        hide_parameters=True,
        connect_args={
            "connect_timeout": 5,
            "options": f"-c timezone=UTC -c statement_timeout={milliseconds} -c lock_timeout=5000",
        },
    )


def driver_url(database_url: str) -> URL:
    """Return the address with our driver named, whatever spelling the operator used."""
    return make_url(database_url).set(drivername="postgresql+psycopg")
