"""Which processes live, and which of them claimed a delivery."""

import sqlalchemy as sa
from alembic import op

revision = "0023_processes"
down_revision = "0022_webhooks"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "processes",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("lock_key", sa.BigInteger(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_processes"),
    )
    op.add_column("webhook_deliveries", sa.Column("claimed_by", sa.String(64)))


def downgrade() -> None:
    op.drop_column("webhook_deliveries", "claimed_by")
    op.drop_table("processes")
