"""The database roles that transactions run as: by whose rows they see, and by which secrets they can read.

A process logs in as a role of its own that sees nothing by itself. Each transaction takes on one of four roles that
cannot log in (SR-40, SR-64). Roles belong to the whole server, so several databases on one server share them.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from ostiary.core.kernel.errors import Misconfigured
from ostiary.core.kernel.reach import Duty, Reach

WEB: Final = "ostiary_web"
"""Pages, console, and API calls about records: cannot read sealed tokens. One organization, or none."""
WEB_ALL: Final = "ostiary_web_all"
"""The same, for every organization."""
EGRESS: Final = "ostiary_egress"
"""Workers, commands, and API calls that use a mailbox. One organization, or none."""
EGRESS_ALL: Final = "ostiary_egress_all"
"""The same, for every organization."""

ROLES: Final = (WEB, WEB_ALL, EGRESS, EGRESS_ALL)
CONFINED_ROLES: Final = (WEB, EGRESS)
INSTANCE_ROLES: Final = (WEB_ALL, EGRESS_ALL)
WEB_ROLES: Final = (WEB, WEB_ALL)

LOGIN: Final = "ostiary"
"""The role that the embedded server's processes log in as."""

ORGANIZATION_SETTING: Final = "ostiary.organization"

_TAKE_ON: Final = text(
    f"SELECT set_config('role', :role, true), set_config('{ORGANIZATION_SETTING}', :organization, true)"
)
_NOT_OURS: Final = ("42501", "22023")
"""Not a member of the role; no such role."""

_WEB_DUTIES: Final = frozenset({Duty.PAGES, Duty.RECORDS})
_FIRST_WITH_GRANT_OPTIONS: Final = 160000


def role_for(reach: Reach) -> str:
    """Return the role that a transaction of this reach runs as."""
    if reach.duty in _WEB_DUTIES:
        return WEB_ALL if reach.is_instance_wide else WEB
    return EGRESS_ALL if reach.is_instance_wide else EGRESS


async def take_on(connection: AsyncConnection, reach: Reach) -> None:
    """Let the open transaction run as the role of ``reach``, until it ends. One round trip.

    Raises:
        Misconfigured: This process's login may not take that role on: another process does such work, or the
            login was not given its roles.
    """
    role = role_for(reach)
    try:
        if reach.organization_id is None:
            # Two commands and no query: the transaction may still choose how isolated it is.
            await connection.exec_driver_sql(f"SET LOCAL ROLE {role}; SET LOCAL {ORGANIZATION_SETTING} = ''")
        else:
            await connection.execute(_TAKE_ON, {"role": role, "organization": reach.organization_id})
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) in _NOT_OURS:
            raise Misconfigured(
                f"The database login of this process may not work as {role}.", reason="our_fault"
            ) from error
        raise


def ensure_roles(connection: Connection, *, member: str = "CURRENT_USER") -> None:
    """Make the four roles where they are missing, and let ``member`` take them on.

    Args:
        member: A role's quoted name, or ``CURRENT_USER``.

    Raises:
        Misconfigured: Roles are missing and we may not make them; the message holds what to run.
    """
    known = set(connection.scalars(text("SELECT rolname FROM pg_roles WHERE rolname LIKE 'ostiary%'")))
    missing = [role for role in ROLES if role not in known]
    may_create = connection.scalar(
        text("SELECT rolsuper OR rolcreaterole FROM pg_roles WHERE rolname = current_user")
    )
    if missing and not may_create:
        commands = "; ".join(f"CREATE ROLE {role} NOLOGIN" for role in missing)
        raise Misconfigured(
            f"The database has no roles {', '.join(missing)}, and this role may not make them. "
            f"Let an administrator run: {commands}; GRANT {', '.join(ROLES)} TO the role that migrates and the role "
            "that the service logs in as. docs/howto/production.md explains them."
        )
    for role in missing:
        connection.execute(text(f"CREATE ROLE {role} NOLOGIN"))
    if may_create:
        version = connection.scalar(text("SELECT current_setting('server_version_num')::int")) or 0
        # Being a member must not by itself show anything: a transaction has to take a role on.
        options = " WITH INHERIT FALSE, SET TRUE" if version >= _FIRST_WITH_GRANT_OPTIONS else ""
        connection.execute(text(f"GRANT {', '.join(ROLES)} TO {member}{options}"))


def bypasses(connection: Connection) -> str | None:
    """Return why the role that is logged in can see rows without taking a role on, or None when it cannot."""
    row = connection.execute(
        text("SELECT rolname, rolsuper, rolbypassrls FROM pg_roles WHERE rolname = session_user")
    ).one()
    if row.rolsuper:
        return f"{row.rolname} is a superuser"
    if row.rolbypassrls:
        return f"{row.rolname} has BYPASSRLS"
    inherits = connection.scalar(
        text(
            "SELECT bool_or(pg_has_role(session_user, oid, 'USAGE')) FROM pg_roles WHERE rolname = ANY(:roles)"
        ),
        {"roles": list(ROLES)},
    )
    if inherits:
        return f"{row.rolname} inherits the rights of the roles it should only take on"
    return None
