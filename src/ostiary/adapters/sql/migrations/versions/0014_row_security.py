"""The roles that transactions run as; policies and grants follow at the end of every migration to the newest schema."""

from alembic import op

from ostiary.adapters.sql.roles import ensure_roles
from ostiary.adapters.sql.row_security import unprotect

revision = "0014_row_security"
down_revision = "0013_mail_sends"
branch_labels = None
depends_on = None


def upgrade() -> None:
    ensure_roles(op.get_bind())


def downgrade() -> None:
    # The roles stay: other databases of the server may use them.
    unprotect(op.get_bind())
