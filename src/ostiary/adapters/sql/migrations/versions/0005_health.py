"""When connections are checked, what trouble was announced, and which permissions are used."""

import sqlalchemy as sa
from alembic import op

revision = "0005_health"
down_revision = "0003_freezes"
branch_labels = None
depends_on = None

_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "connection_checks",
        sa.Column("connection_id", sa.String(64), nullable=False),
        sa.Column("next_check_at", _MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("connection_id", name="pk_connection_checks"),
        sa.ForeignKeyConstraint(
            ["connection_id"], ["connections.id"], name="fk_connection_checks_connection_id"
        ),
    )
    op.create_index("ix_connection_checks_next_check_at", "connection_checks", ["next_check_at"])
    op.create_table(
        "incidents",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("organization_id", sa.String(64), nullable=False),
        sa.Column("subject", sa.String(16), nullable=False),
        sa.Column("object_id", sa.String(64), nullable=False),
        sa.Column("reference", sa.String(16), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("reason", sa.String(64), nullable=False),
        sa.Column("opened_at", _MOMENT, nullable=False),
        sa.Column("changed_at", _MOMENT, nullable=False),
        sa.Column("closed_at", _MOMENT),
        sa.Column("end", sa.String(16)),
        sa.Column("cause_id", sa.String(64)),
        sa.PrimaryKeyConstraint("id", name="pk_incidents"),
    )
    op.create_index("ix_incidents_page", "incidents", ["opened_at", "id"])
    op.create_index("ix_incidents_organization_page", "incidents", ["organization_id", "opened_at", "id"])
    op.create_index(
        "uq_incidents_open",
        "incidents",
        ["object_id"],
        unique=True,
        postgresql_where=sa.text("closed_at IS NULL"),
    )
    op.create_table(
        "permission_uses",
        sa.Column("connection_id", sa.String(64), nullable=False),
        sa.Column("permission", sa.String(64), nullable=False),
        sa.Column("last_used_on", sa.Date(), nullable=False),
        sa.PrimaryKeyConstraint("connection_id", "permission", name="pk_permission_uses"),
        sa.ForeignKeyConstraint(
            ["connection_id"], ["connections.id"], name="fk_permission_uses_connection_id"
        ),
    )


def downgrade() -> None:
    op.drop_table("permission_uses")
    op.drop_table("incidents")
    op.drop_table("connection_checks")
