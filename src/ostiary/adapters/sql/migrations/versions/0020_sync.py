"""Followed mailboxes: where reading stands, the projection, notices, subscriptions, streams, coverage."""

import sqlalchemy as sa
from alembic import op

revision = "0020_sync"
down_revision = "0019_idle_reports"
branch_labels = None
depends_on = None

_MOMENT = sa.DateTime(timezone=True)
_TABLES = (
    "sync_states",
    "sync_hints",
    "sync_folders",
    "sync_forgotten",
    "sync_streams",
    "graph_subscriptions",
    "coverage_stretches",
)


def upgrade() -> None:
    op.create_table(
        "sync_states",
        sa.Column("connection_id", sa.String(64), nullable=False),
        sa.Column("source", sa.String(16), nullable=False),
        sa.Column("organization_id", sa.String(64), nullable=False),
        sa.Column("method", sa.String(16), nullable=False),
        sa.Column("stage", sa.String(16), nullable=False),
        sa.Column("started_at", _MOMENT, nullable=False),
        sa.Column("backfill_since", _MOMENT),
        sa.Column("mark", sa.BigInteger(), nullable=False),
        sa.Column("full_mark", sa.BigInteger(), nullable=False),
        sa.Column("done_mark", sa.BigInteger(), nullable=False),
        sa.Column("due_at", _MOMENT, nullable=False),
        sa.Column("not_before", _MOMENT),
        sa.Column("lease_holder", sa.String(64)),
        sa.Column("lease_until", _MOMENT),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("stalled_reason", sa.String(64)),
        sa.Column("reconciled_reason", sa.String(64)),
        sa.Column("done_at", _MOMENT),
        sa.Column("full_at", _MOMENT),
        sa.Column("subscribe_tried_at", _MOMENT),
        sa.Column("subscriptions_audited_at", _MOMENT),
        sa.PrimaryKeyConstraint("connection_id", "source", name="pk_sync_states"),
    )
    op.create_index("ix_sync_states_due_at", "sync_states", ["due_at"])
    op.create_table(
        "sync_hints",
        sa.Column("connection_id", sa.String(64), nullable=False),
        sa.Column("source", sa.String(16), nullable=False),
        sa.Column("item_id", sa.Text(), nullable=False),
        sa.Column("organization_id", sa.String(64), nullable=False),
        sa.Column("mark", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("connection_id", "source", "item_id", name="pk_sync_hints"),
    )
    op.create_table(
        "sync_folders",
        sa.Column("connection_id", sa.String(64), nullable=False),
        sa.Column("source", sa.String(16), nullable=False),
        sa.Column("folder_id", sa.Text(), nullable=False),
        sa.Column("organization_id", sa.String(64), nullable=False),
        sa.Column("cursor", sa.Text()),
        sa.Column("is_baselined", sa.Boolean(), nullable=False),
        sa.Column("is_open", sa.Boolean(), nullable=False),
        sa.Column("round", sa.BigInteger(), nullable=False),
        sa.Column("rank", sa.SmallInteger(), nullable=False),
        sa.Column("total_count", sa.Integer(), nullable=False),
        sa.Column("counted", sa.Integer(), nullable=False),
        sa.Column("window_end", _MOMENT),
        sa.PrimaryKeyConstraint("connection_id", "source", "folder_id", name="pk_sync_folders"),
    )
    op.create_table(
        "sync_items",
        sa.Column("connection_id", sa.String(64), nullable=False),
        sa.Column("source", sa.String(16), nullable=False),
        sa.Column("item_id", sa.Text(), nullable=False),
        sa.Column("organization_id", sa.String(64), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("folder_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("pending", sa.String(8), nullable=False),
        sa.Column("round", sa.BigInteger(), nullable=False),
        sa.Column("match_hash", sa.LargeBinary()),
        sa.PrimaryKeyConstraint("connection_id", "source", "item_id", name="pk_sync_items"),
    )
    op.create_index("ix_sync_items_folder", "sync_items", ["connection_id", "source", "folder_id"])
    op.create_index(
        "ix_sync_items_pending",
        "sync_items",
        ["connection_id", "source"],
        postgresql_where=sa.text("pending <> ''"),
    )
    op.create_index(
        "ix_sync_items_match",
        "sync_items",
        ["connection_id", "source", "match_hash"],
        postgresql_where=sa.text("match_hash IS NOT NULL"),
    )
    op.create_table(
        "sync_forgotten",
        sa.Column("connection_id", sa.String(64), nullable=False),
        sa.Column("source", sa.String(16), nullable=False),
        sa.Column("organization_id", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("connection_id", "source", name="pk_sync_forgotten"),
    )
    op.create_table(
        "sync_streams",
        sa.Column("connection_id", sa.String(64), nullable=False),
        sa.Column("organization_id", sa.String(64), nullable=False),
        sa.Column("holder", sa.String(64), nullable=False),
        sa.Column("until", _MOMENT, nullable=False),
        sa.Column("is_open", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("connection_id", name="pk_sync_streams"),
    )
    op.create_index("ix_sync_streams_until", "sync_streams", ["until"])
    op.create_table(
        "graph_subscriptions",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("connection_id", sa.String(64), nullable=False),
        sa.Column("organization_id", sa.String(64), nullable=False),
        sa.Column("tenant_id", sa.String(36), nullable=False),
        sa.Column("source", sa.String(16), nullable=False),
        sa.Column("client_state_hash", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("microsoft_id", sa.String(64)),
        sa.Column("expires_at", _MOMENT),
        sa.Column("renew_at", _MOMENT),
        sa.PrimaryKeyConstraint("id", name="pk_graph_subscriptions"),
    )
    op.create_index("ix_graph_subscriptions_renew_at", "graph_subscriptions", ["renew_at"])
    op.create_index(
        "uq_graph_subscriptions_source", "graph_subscriptions", ["connection_id", "source"], unique=True
    )
    op.create_table(
        "coverage_stretches",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("connection_id", sa.String(64), nullable=False),
        sa.Column("organization_id", sa.String(64), nullable=False),
        sa.Column("source", sa.String(16), nullable=False),
        sa.Column("start_at", _MOMENT, nullable=False),
        sa.Column("end_at", _MOMENT, nullable=False),
        sa.Column("how", sa.String(16), nullable=False),
        sa.Column("reason", sa.String(64)),
        sa.PrimaryKeyConstraint("id", name="pk_coverage_stretches"),
    )
    op.create_index("ix_coverage_stretches_end", "coverage_stretches", ["connection_id", "source", "end_at"])
    for table in _TABLES:
        op.create_index(f"ix_{table}_organization_id", table, ["organization_id"])


def downgrade() -> None:
    op.drop_table("sync_items")
    for table in _TABLES:
        op.drop_table(table)
