"""What was seen of each part of the service, day by day."""

import sqlalchemy as sa
from alembic import op

revision = "0011_status"
down_revision = "0010_feed"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "status_days",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("part", sa.String(32), nullable=False),
        sa.Column("good", sa.Integer(), nullable=False),
        sa.Column("bad", sa.Integer(), nullable=False),
        sa.Column("first_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("day", "part", name="pk_status_days"),
    )


def downgrade() -> None:
    op.drop_table("status_days")
