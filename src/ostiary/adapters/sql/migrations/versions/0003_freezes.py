"""What the operator froze."""

import sqlalchemy as sa
from alembic import op

revision = "0003_freezes"
down_revision = "0002_notices"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "freezes",
        sa.Column("scope", sa.String(16), nullable=False),
        sa.Column("target_id", sa.String(64), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("scope", "target_id", name="pk_freezes"),
    )


def downgrade() -> None:
    op.drop_table("freezes")
