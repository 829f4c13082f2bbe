"""Acts of sending mail, so that none happens twice."""

import sqlalchemy as sa
from alembic import op

revision = "0013_mail_sends"
down_revision = "0012_step_up"
branch_labels = None
depends_on = None

_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "mail_sends",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("organization_id", sa.String(64), nullable=False),
        sa.Column("connection_id", sa.String(64), nullable=False),
        sa.Column("stamp", sa.String(64), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("changed_at", _MOMENT, nullable=False),
        sa.Column("draft_id", sa.Text()),
        sa.Column("internet_message_id", sa.Text()),
        sa.Column("deliver_at", _MOMENT),
        sa.PrimaryKeyConstraint("id", name="pk_mail_sends"),
        sa.UniqueConstraint("connection_id", "stamp", name="uq_mail_sends_connection_id_stamp"),
    )
    op.create_index("ix_mail_sends_organization_id", "mail_sends", ["organization_id"])
    op.create_index("ix_mail_sends_created_at", "mail_sends", ["created_at"])


def downgrade() -> None:
    op.drop_table("mail_sends")
