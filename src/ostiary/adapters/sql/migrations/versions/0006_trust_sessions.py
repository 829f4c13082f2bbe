"""Sessions of people who look at their directory's connections without a seat."""

import sqlalchemy as sa
from alembic import op

revision = "0006_trust_sessions"
down_revision = "0005_health"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "trust_sessions",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("secret_hash", sa.LargeBinary(), nullable=False),
        sa.Column("organization_id", sa.String(64), nullable=False),
        sa.Column("cloud", sa.String(32), nullable=False),
        sa.Column("tenant_id", sa.String(36), nullable=False),
        sa.Column("object_id", sa.String(36), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("username", sa.Text(), nullable=False),
        sa.Column("is_administrator", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_trust_sessions"),
        sa.UniqueConstraint("secret_hash", name="uq_trust_sessions_secret_hash"),
    )
    op.create_index("ix_trust_sessions_created_at", "trust_sessions", ["created_at"])


def downgrade() -> None:
    op.drop_index("ix_trust_sessions_created_at", table_name="trust_sessions")
    op.drop_table("trust_sessions")
