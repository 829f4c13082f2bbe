"""Tables of followed mailboxes: where reading stands, the projection, notices, subscriptions, streams, coverage."""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Identity,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    String,
    Table,
    Text,
    text,
)

from ostiary.adapters.sql.schema import UTCDateTime, metadata

sync_states: Final = Table(
    "sync_states",
    metadata,
    Column("connection_id", String(64), primary_key=True),
    Column("source", String(16), primary_key=True),
    Column("organization_id", String(64), nullable=False, index=True),
    Column("method", String(16), nullable=False),
    Column("stage", String(16), nullable=False),
    Column("started_at", UTCDateTime, nullable=False),
    Column("backfill_since", UTCDateTime),
    # Notices only count up; what a reading was begun for is done when it ends, and what came meanwhile is not.
    Column("mark", BigInteger, nullable=False),
    Column("full_mark", BigInteger, nullable=False),
    Column("done_mark", BigInteger, nullable=False),
    Column("due_at", UTCDateTime, nullable=False),
    Column("not_before", UTCDateTime),
    Column("lease_holder", String(64)),
    Column("lease_until", UTCDateTime),
    Column("failures", Integer, nullable=False),
    Column("stalled_reason", String(64)),
    Column("reconciled_reason", String(64)),
    Column("done_at", UTCDateTime),
    Column("full_at", UTCDateTime),
    Column("subscribe_tried_at", UTCDateTime),
    Column("subscriptions_audited_at", UTCDateTime),
    Index("ix_sync_states_due_at", "due_at"),
)
"""One row for each source that is followed: the row that notices mark and workers claim."""

sync_hints: Final = Table(
    "sync_hints",
    metadata,
    Column("connection_id", String(64), primary_key=True),
    Column("source", String(16), primary_key=True),
    Column("item_id", Text, primary_key=True),
    Column("organization_id", String(64), nullable=False, index=True),
    Column("mark", BigInteger, nullable=False),
)
"""Which items notices named, and by which mark."""

sync_folders: Final = Table(
    "sync_folders",
    metadata,
    Column("connection_id", String(64), primary_key=True),
    Column("source", String(16), primary_key=True),
    Column("folder_id", Text, primary_key=True),
    Column("organization_id", String(64), nullable=False, index=True),
    Column("cursor", Text),
    Column("is_baselined", Boolean, nullable=False),
    Column("is_open", Boolean, nullable=False),
    Column("round", BigInteger, nullable=False),
    Column("rank", SmallInteger, nullable=False),
    Column("total_count", Integer, nullable=False),
    Column("counted", Integer, nullable=False),
    Column("window_end", UTCDateTime),
)

sync_items: Final = Table(
    "sync_items",
    metadata,
    Column("connection_id", String(64), primary_key=True),
    Column("source", String(16), primary_key=True),
    Column("item_id", Text, primary_key=True),
    Column("organization_id", String(64), nullable=False),
    Column("version", Text, nullable=False),
    Column("folder_id", Text, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("pending", String(8), nullable=False),
    Column("round", BigInteger, nullable=False),
    Column("match_hash", LargeBinary),
    Index("ix_sync_items_folder", "connection_id", "source", "folder_id"),
    Index("ix_sync_items_pending", "connection_id", "source", postgresql_where=text("pending <> ''")),
    Index(
        "ix_sync_items_match",
        "connection_id",
        "source",
        "match_hash",
        postgresql_where=text("match_hash IS NOT NULL"),
    ),
)
"""The projection: which items there are, and in which version."""

sync_forgotten: Final = Table(
    "sync_forgotten",
    metadata,
    Column("connection_id", String(64), primary_key=True),
    Column("source", String(16), primary_key=True),
    Column("organization_id", String(64), nullable=False, index=True),
)
"""Projections that nobody follows any more and that are deleted by and by."""

sync_streams: Final = Table(
    "sync_streams",
    metadata,
    Column("connection_id", String(64), primary_key=True),
    Column("organization_id", String(64), nullable=False, index=True),
    Column("holder", String(64), nullable=False),
    Column("until", UTCDateTime, nullable=False, index=True),
    Column("is_open", Boolean, nullable=False),
)
"""Who holds the stream of a connection over EWS."""

graph_subscriptions: Final = Table(
    "graph_subscriptions",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("connection_id", String(64), nullable=False),
    Column("organization_id", String(64), nullable=False, index=True),
    Column("tenant_id", String(36), nullable=False),
    Column("source", String(16), nullable=False),
    Column("client_state_hash", LargeBinary, nullable=False),
    Column("state", String(16), nullable=False),
    Column("created_at", UTCDateTime, nullable=False),
    Column("microsoft_id", String(64)),
    Column("expires_at", UTCDateTime),
    Column("renew_at", UTCDateTime, index=True),
    Index("uq_graph_subscriptions_source", "connection_id", "source", unique=True),
)

coverage_stretches: Final = Table(
    "coverage_stretches",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("connection_id", String(64), nullable=False),
    Column("organization_id", String(64), nullable=False, index=True),
    Column("source", String(16), nullable=False),
    Column("start_at", UTCDateTime, nullable=False),
    Column("end_at", UTCDateTime, nullable=False),
    Column("how", String(16), nullable=False),
    Column("reason", String(64)),
    Index("ix_coverage_stretches_end", "connection_id", "source", "end_at"),
)
