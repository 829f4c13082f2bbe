"""What all processes hold of each mailbox: calls at once, calls in ten minutes, pauses."""

import sqlalchemy as sa
from alembic import op

revision = "0015_governor"
down_revision = "0014_row_security"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "governor_mailboxes",
        sa.Column("method", sa.String(8), nullable=False),
        sa.Column("tenant_id", sa.String(64), nullable=False),
        sa.Column("object_id", sa.String(64), nullable=False),
        sa.Column("window_began", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used", sa.Integer(), nullable=False),
        sa.Column("used_before", sa.Integer(), nullable=False),
        sa.Column("blocked_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("touched_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("method", "tenant_id", "object_id", name="pk_governor_mailboxes"),
        prefixes=["UNLOGGED"],
    )
    op.create_index("ix_governor_mailboxes_touched_at", "governor_mailboxes", ["touched_at"])
    op.create_index("ix_governor_mailboxes_blocked_until", "governor_mailboxes", ["blocked_until"])
    op.create_table(
        "governor_leases",
        sa.Column("method", sa.String(8), nullable=False),
        sa.Column("tenant_id", sa.String(64), nullable=False),
        sa.Column("object_id", sa.String(64), nullable=False),
        sa.Column("holder", sa.String(64), nullable=False),
        sa.Column("interactive", sa.Integer(), nullable=False),
        sa.Column("background", sa.Integer(), nullable=False),
        sa.Column("is_short", sa.Boolean(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("method", "tenant_id", "object_id", "holder", name="pk_governor_leases"),
        prefixes=["UNLOGGED"],
    )
    op.create_index("ix_governor_leases_expires_at", "governor_leases", ["expires_at"])


def downgrade() -> None:
    op.drop_table("governor_leases")
    op.drop_table("governor_mailboxes")
