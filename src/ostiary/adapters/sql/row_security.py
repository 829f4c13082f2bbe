"""Row-level security on every table of an organization, derived from the tables themselves (SR-64).

The queries ask for the right rows; this is the barrier behind them for the query that forgets. A new table with an
``organization_id`` is protected by the next ``ostiary migrate`` without a line here; a table that belongs to an
organization in another way has to be named, and a test asks for each.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Final

from sqlalchemy import Connection, Table, text

from ostiary.adapters.sql.roles import (
    CONFINED_ROLES,
    EGRESS,
    EGRESS_ALL,
    INSTANCE_ROLES,
    ORGANIZATION_SETTING,
    ROLES,
    WEB_ROLES,
)
from ostiary.adapters.sql.schema import metadata

MIGRATING_SETTING: Final = "ostiary.migrating"
"""Set by migrations alone: the tables' owner, too, sees rows only then."""

SHARED: Final = {
    "api_keys": "the vendor's own keys",
    "audit_chains": "the hash at the end of each organization's chain; no word of a record",
    "audit_checkpoints": "signatures over those hashes",
    "authorization_requests": "found by the hash of a secret; what for is known only then",
    "freezes": "a freeze of the instance concerns everybody",
    "governor_leases": "how many calls a process may make to a mailbox now",
    "governor_mailboxes": "how many calls were made to a mailbox, by its ids at Microsoft; of no content",
    "idempotency_keys": "belong to an API key of the vendor",
    "operators": "the vendor's own people",
    "processes": "the vendor's own processes",
    "rate_limits": "keyed hashes of who tried; nothing else",
    "read_counts": "counts by API key and hour; of nobody's mailbox",
    "status_days": "counts by day and part; of nobody",
    "webhook_endpoints": "the vendor's own addresses",
}
"""Tables that belong to no organization, and why that is right."""

TOKEN_TABLES: Final = {"refresh_tokens": "stored_at", "access_tokens": "expires_at"}
"""Tables with sealed tokens, and their moment, which is no secret."""

_READABLE_OF_TOKENS: Final = ("connection_id", "version", "format_version", "key_id")
_SCOPE: Final = f"(SELECT current_setting('{ORGANIZATION_SETTING}', true))"
_VIA: Final = {
    "connection_id": ("connections", "id"),
    "request_id": ("approval_requests", "id"),
}


def condition_of(table: Table) -> str | None:
    """Return what makes a row the confined organization's own; None for a table that belongs to none."""
    if table.name == "organizations":
        return f"id = {_SCOPE}"
    if "organization_id" in table.c:
        return f"organization_id = {_SCOPE}"
    if table.name in SHARED:
        return None
    for column, (owner, key) in _VIA.items():
        if column in table.c:
            # The owner's own policy decides.
            return f"EXISTS (SELECT 1 FROM {owner} AS owner WHERE owner.{key} = {table.name}.{column})"  # noqa: S608 - our own names
    return None


def protect(connection: Connection) -> None:
    """Put policies and grants on every table, where they are not those of this version already. Blocks.

    Runs at the end of a migration, in its transaction. Only tables whose policies change are locked: a policy needs its
    table for itself alone, and most migrations bring a new table that nobody uses yet (SR-108).
    """
    policies = {table.name: list(_policies(table)) for table in metadata.sorted_tables}
    marks = {name: _mark(statements) for name, statements in policies.items() if statements}
    grants = list(_all_grants(connection))
    whole = _mark([*grants, *marks.values()])
    known = _known_marks(connection)
    if known.get(("organizations", "of_everybody")) == whole:
        return
    for statement in grants:
        connection.exec_driver_sql(statement)
    for name, mark in marks.items():
        if known.get((name, "of_one_organization")) == mark:
            continue
        connection.exec_driver_sql(";\n".join(policies[name]).replace("%", "%%"))
        connection.exec_driver_sql(f"COMMENT ON POLICY of_one_organization ON {name} IS '{mark}'")
    connection.exec_driver_sql(f"COMMENT ON POLICY of_everybody ON organizations IS '{whole}'")


def _mark(statements: Sequence[str]) -> str:
    return f"row security {hashlib.sha256(';'.join(statements).encode()).hexdigest()[:16]}"


def _known_marks(connection: Connection) -> dict[tuple[str, str], str]:
    """Return the comments on policies, by table and policy."""
    rows = connection.execute(
        text(
            "SELECT relname, polname, obj_description(pg_policy.oid, 'pg_policy') FROM pg_policy"
            " JOIN pg_class ON pg_class.oid = polrelid WHERE relnamespace = current_schema()::regnamespace"
        )
    )
    return {(table, policy): mark for table, policy, mark in rows if mark is not None}


def forget(connection: Connection) -> None:
    """Let the next :func:`protect` look at every table again: a step back takes tables away, which return bare. Blocks."""
    if ("organizations", "of_everybody") in _known_marks(connection):
        connection.exec_driver_sql("COMMENT ON POLICY of_everybody ON organizations IS NULL")


def unprotect(connection: Connection) -> None:
    """Take the policies away: the way back to a version that knows nothing of them. Blocks."""
    for table in metadata.sorted_tables:
        if condition_of(table) is None or not _exists(connection, table.name):
            continue
        for statement in _drop_policies(table.name):
            connection.exec_driver_sql(statement)
        connection.exec_driver_sql(f"ALTER TABLE {table.name} NO FORCE ROW LEVEL SECURITY")
        connection.exec_driver_sql(f"ALTER TABLE {table.name} DISABLE ROW LEVEL SECURITY")


def _all_grants(connection: Connection) -> Iterator[str]:
    schema = connection.scalar(text("SELECT quote_ident(current_schema())"))
    everyone = ", ".join(ROLES)
    yield f"GRANT USAGE ON SCHEMA {schema} TO {everyone}"
    # The version of the schema is looked at before any role is taken on.
    yield "GRANT SELECT ON alembic_version TO PUBLIC"
    for table in metadata.sorted_tables:
        yield f"REVOKE ALL ON {table.name} FROM {everyone}"
        yield from _grants(table)
    # Whoever may queue a job writes a row and fires the queue's own triggers.
    for name, kind in connection.execute(
        text(
            "SELECT quote_ident(relname), relkind FROM pg_class WHERE relnamespace = current_schema()::regnamespace"
            " AND relkind IN ('r', 'S') AND relname LIKE 'procrastinate%' ORDER BY 1"
        )
    ):
        yield f"GRANT ALL ON {'SEQUENCE' if kind == 'S' else 'TABLE'} {name} TO {everyone}"


def _grants(table: Table) -> Iterator[str]:
    if table.name not in TOKEN_TABLES:
        yield f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table.name} TO {', '.join(ROLES)}"
        return
    columns = ", ".join((*_READABLE_OF_TOKENS, TOKEN_TABLES[table.name]))
    yield f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table.name} TO {EGRESS}, {EGRESS_ALL}"
    # Pages store a sign-in that came just now, replace it, and delete it. None reads one (SR-40).
    yield f"GRANT SELECT ({columns}), INSERT, UPDATE, DELETE ON {table.name} TO {', '.join(WEB_ROLES)}"


def _policies(table: Table) -> Iterator[str]:
    condition = condition_of(table)
    if condition is None:
        return
    yield from _drop_policies(table.name)
    yield f"ALTER TABLE {table.name} ENABLE ROW LEVEL SECURITY"
    yield f"ALTER TABLE {table.name} FORCE ROW LEVEL SECURITY"
    # A policy of its own for work on everybody's rows, so that it costs no condition and hides no index.
    yield f"CREATE POLICY of_everybody ON {table.name} TO {', '.join(INSTANCE_ROLES)} USING (true)"
    # Somebody who was turned away is on record even where no organization is concerned.
    written = f"{condition} OR organization_id IS NULL" if table.name == "audit_records" else condition
    yield (
        f"CREATE POLICY of_one_organization ON {table.name} TO {', '.join(CONFINED_ROLES)}"
        f" USING ({condition}) WITH CHECK ({written})"
    )
    yield (
        f"CREATE POLICY of_migrations ON {table.name} TO CURRENT_USER"
        f" USING (current_setting('{MIGRATING_SETTING}', true) = 'yes')"
    )


def _drop_policies(name: str) -> Iterator[str]:
    for policy in ("of_everybody", "of_one_organization", "of_migrations"):
        yield f"DROP POLICY IF EXISTS {policy} ON {name}"


def _exists(connection: Connection, name: str) -> bool:
    return connection.scalar(text("SELECT to_regclass(:name)"), {"name": name}) is not None
