"""Where an API key works from, what replaces it, who made it and where it was used last."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

revision = "0017_api_key_rotation"
down_revision = "0016_weekly_digest"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "api_keys", sa.Column("networks", ARRAY(sa.Text()), nullable=False, server_default=sa.text("'{}'"))
    )
    op.add_column("api_keys", sa.Column("last_used_ip", sa.Text()))
    op.add_column("api_keys", sa.Column("last_refused_at", sa.DateTime(timezone=True)))
    op.add_column("api_keys", sa.Column("created_by", sa.Text(), nullable=False, server_default=""))
    op.add_column("api_keys", sa.Column("replaced_by", sa.Text()))


def downgrade() -> None:
    for name in ("replaced_by", "created_by", "last_refused_at", "last_used_ip", "networks"):
        op.drop_column("api_keys", name)
