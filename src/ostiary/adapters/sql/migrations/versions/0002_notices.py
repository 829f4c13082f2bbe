"""The outbox of mails, and what an approval request remembers of the ones it sent."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002_notices"
down_revision = "0001_initial"
branch_labels = None
depends_on = None

_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "notices",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("to_address", sa.Text(), nullable=False),
        sa.Column("to_name", sa.Text(), nullable=False),
        sa.Column("reply_to_address", sa.Text()),
        sa.Column("reply_to_name", sa.Text()),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("organization_id", sa.String(64)),
        sa.Column("facts", postgresql.JSONB(), nullable=False),
        sa.Column("link_id", sa.String(64)),
        sa.Column("object_id", sa.String(64)),
        sa.Column("reference", sa.String(16)),
        sa.Column("once_key", sa.String(200)),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("sent_at", _MOMENT),
        sa.Column("given_up_at", _MOMENT),
        sa.Column("trouble", sa.Text()),
        sa.PrimaryKeyConstraint("id", name="pk_notices"),
        sa.UniqueConstraint("once_key", name="uq_notices_once_key"),
    )
    op.create_index("ix_notices_created_at", "notices", ["created_at"])
    op.create_index("ix_notices_object_id", "notices", ["object_id"])
    op.create_index(
        "ix_notices_open",
        "notices",
        ["created_at"],
        postgresql_where=sa.text("sent_at IS NULL AND given_up_at IS NULL"),
    )
    op.add_column("approval_requests", sa.Column("sent_at", _MOMENT))
    op.add_column(
        "approval_requests", sa.Column("by_mail", sa.Boolean(), nullable=False, server_default=sa.false())
    )
    op.add_column(
        "approval_requests", sa.Column("reminders_sent", sa.Integer(), nullable=False, server_default="0")
    )
    op.add_column("approval_requests", sa.Column("app_present", sa.Boolean()))
    op.add_column("approval_requests", sa.Column("app_appeared_at", _MOMENT))


def downgrade() -> None:
    for column in ("app_appeared_at", "app_present", "reminders_sent", "by_mail", "sent_at"):
        op.drop_column("approval_requests", column)
    op.drop_table("notices")
