"""The one MetaData that every table belongs to, with constraint names that migrations can rely on."""

from __future__ import annotations

from typing import Final

from sqlalchemy import DateTime, MetaData

metadata: Final = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

UTCDateTime: Final = DateTime(timezone=True)
"""All moments are timestamptz and come back aware, in UTC (the session's time zone is set to UTC)."""
