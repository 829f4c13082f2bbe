"""When it was first said of a connection that nobody uses it."""

import sqlalchemy as sa
from alembic import op

revision = "0019_idle_reports"
down_revision = "0018_key_ledger"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "idle_reports",
        sa.Column("connection_id", sa.String(64), nullable=False),
        sa.Column("organization_id", sa.String(64), nullable=False),
        sa.Column("reported_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["connection_id"], ["connections.id"], name="fk_idle_reports_connection_id"),
        sa.PrimaryKeyConstraint("connection_id", name="pk_idle_reports"),
    )
    op.create_index("ix_idle_reports_organization_id", "idle_reports", ["organization_id"])


def downgrade() -> None:
    op.drop_table("idle_reports")
