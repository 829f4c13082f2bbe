"""The change feed: one head and a gap-free sequence per stream."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0010_feed"
down_revision = "0009_left_out"
branch_labels = None
depends_on = None

_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "feed_heads",
        sa.Column("stream_id", sa.String(64), nullable=False),
        sa.Column("organization_id", sa.String(64), nullable=False),
        sa.Column("connection_id", sa.String(64)),
        sa.Column("last", sa.BigInteger(), nullable=False),
        sa.Column("trimmed", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("stream_id", name="pk_feed_heads"),
    )
    op.create_index("ix_feed_heads_organization_id", "feed_heads", ["organization_id"])
    op.create_table(
        "feed_events",
        sa.Column("stream_id", sa.String(64), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("organization_id", sa.String(64), nullable=False),
        sa.Column("connection_id", sa.String(64)),
        sa.Column("type", sa.String(48), nullable=False),
        sa.Column("occurred_at", _MOMENT, nullable=False),
        sa.Column("recorded_at", _MOMENT, nullable=False),
        sa.Column("data", postgresql.JSONB(), nullable=False),
        sa.PrimaryKeyConstraint("stream_id", "sequence", name="pk_feed_events"),
    )
    op.create_index("uq_feed_events_stream_id_id", "feed_events", ["stream_id", "id"], unique=True)
    op.create_index("ix_feed_events_organization_id", "feed_events", ["organization_id"])
    op.create_index("ix_feed_events_recorded_at", "feed_events", ["recorded_at"])


def downgrade() -> None:
    op.drop_table("feed_events")
    op.drop_table("feed_heads")
