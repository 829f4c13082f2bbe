"""Whether an organization's admins get the weekly mail."""

import sqlalchemy as sa
from alembic import op

revision = "0016_weekly_digest"
down_revision = "0015_governor"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "organizations", sa.Column("weekly_digest", sa.Boolean(), nullable=False, server_default=sa.true())
    )


def downgrade() -> None:
    op.drop_column("organizations", "weekly_digest")
