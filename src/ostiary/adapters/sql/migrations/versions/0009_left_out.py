"""Why email or calendar is not part of a connection although its owner asked for it."""

import sqlalchemy as sa
from alembic import op

revision = "0009_left_out"
down_revision = "0008_rate_limits"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("connections", sa.Column("left_out_reason", sa.String(64)))


def downgrade() -> None:
    op.drop_column("connections", "left_out_reason")
