"""When somebody proved who they are, from which directory, and operators who may not come in any more."""

import sqlalchemy as sa
from alembic import op

revision = "0012_step_up"
down_revision = "0011_status"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("console_sessions", sa.Column("authenticated_at", sa.DateTime(timezone=True)))
    op.add_column("console_sessions", sa.Column("home_tenant_id", sa.Text()))
    op.add_column("trust_sessions", sa.Column("authenticated_at", sa.DateTime(timezone=True)))
    op.add_column("operators", sa.Column("disabled_at", sa.DateTime(timezone=True)))


def downgrade() -> None:
    op.drop_column("operators", "disabled_at")
    op.drop_column("trust_sessions", "authenticated_at")
    op.drop_column("console_sessions", "home_tenant_id")
    op.drop_column("console_sessions", "authenticated_at")
