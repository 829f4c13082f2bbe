"""How many values each key has wrapped, and since when; begins with what is stored."""

import sqlalchemy as sa
from alembic import op

revision = "0018_key_ledger"
down_revision = "0017_api_key_rotation"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "key_ledger",
        sa.Column("organization_id", sa.String(64), nullable=False),
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("first_used_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("wraps", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("organization_id", "key_id", name="pk_key_ledger"),
    )
    # Each version of a token was wrapped once, all of them perhaps under this key.
    op.execute(
        "INSERT INTO key_ledger (organization_id, key_id, first_used_at, wraps)"
        " SELECT c.organization_id, t.key_id, min(t.stored_at), sum(t.version)"
        " FROM refresh_tokens t JOIN connections c ON c.id = t.connection_id GROUP BY 1, 2"
    )


def downgrade() -> None:
    op.drop_table("key_ledger")
