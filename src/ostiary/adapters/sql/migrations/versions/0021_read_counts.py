"""How often mailboxes were read, by API key and hour."""

import sqlalchemy as sa
from alembic import op

revision = "0021_read_counts"
down_revision = "0020_sync"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "read_counts",
        sa.Column("subject_id", sa.String(64), nullable=False),
        sa.Column("hour", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reads", sa.BigInteger(), nullable=False),
        sa.Column("level", sa.SmallInteger(), nullable=False),
        sa.PrimaryKeyConstraint("subject_id", "hour", name="pk_read_counts"),
    )


def downgrade() -> None:
    op.drop_table("read_counts")
