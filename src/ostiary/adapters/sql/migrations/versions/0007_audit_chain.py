"""A hash chain through the audit trail, and signed checkpoints; records that exist are put into their chains."""

from __future__ import annotations

import os

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from ostiary.adapters.sql.audit import read_record
from ostiary.core.audit import chain as chains

revision = "0007_audit_chain"
down_revision = "0006_trust_sessions"
branch_labels = None
depends_on = None

_BATCH = 1000

_GUARD = """
CREATE OR REPLACE FUNCTION audit_records_only_grow() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        IF OLD.position < (SELECT start_position FROM audit_chains WHERE chain = OLD.chain) THEN
            RETURN OLD;
        END IF;
    ELSIF TG_OP = 'UPDATE' THEN
        IF OLD.erased_by IS NULL AND NEW.erased_by IS NOT NULL AND NEW.salt IS NULL
            AND NEW.actor_name = '' AND NEW.ip IS NULL AND NEW.detail = '{}'::jsonb
            AND to_jsonb(NEW) - ARRAY['erased_by', 'salt', 'actor_name', 'ip', 'sentence', 'detail']
              = to_jsonb(OLD) - ARRAY['erased_by', 'salt', 'actor_name', 'ip', 'sentence', 'detail'] THEN
            RETURN NEW;
        END IF;
    END IF;
    RAISE EXCEPTION 'the audit trail can only grow' USING ERRCODE = 'insufficient_privilege';
END
$$
"""

_GUARD_BEFORE = """
CREATE OR REPLACE FUNCTION audit_records_only_grow() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit trail can only grow' USING ERRCODE = 'insufficient_privilege';
END
$$
"""

_CHECKPOINT_GUARD = """
CREATE OR REPLACE FUNCTION audit_checkpoints_only_grow() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'audit checkpoints can only be added' USING ERRCODE = 'insufficient_privilege';
END
$$
"""

_CHECKPOINT_TRIGGERS = (
    "CREATE TRIGGER audit_checkpoints_keep_rows BEFORE UPDATE OR DELETE ON audit_checkpoints "
    "FOR EACH ROW EXECUTE FUNCTION audit_checkpoints_only_grow()",
    "CREATE TRIGGER audit_checkpoints_keep_table BEFORE TRUNCATE ON audit_checkpoints "
    "FOR EACH STATEMENT EXECUTE FUNCTION audit_checkpoints_only_grow()",
)

_NEW_COLUMNS = ("chain", "position", "personal_hash", "hash")

# The table as it is here; the code's may have grown since.
_RECORDS = sa.table(
    "audit_records",
    *(
        sa.column(name, sa.Text())
        for name in (
            *(
                "id",
                "actor_kind",
                "actor_id",
                "actor_name",
                "ip",
                "request_id",
                "what",
                "sentence",
                "outcome",
            ),
            *("organization_id", "object_id", "reference", "reason", "chain"),
        )
    ),
    *(sa.column(name, sa.BigInteger()) for name in ("sequence", "position")),
    *(sa.column(name, sa.LargeBinary()) for name in ("salt", "personal_hash", "hash")),
    sa.column("at", sa.DateTime(timezone=True)),
    sa.column("detail", postgresql.JSONB()),
)


def upgrade() -> None:
    op.create_table(
        "audit_chains",
        sa.Column("chain", sa.Text(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("start_position", sa.BigInteger(), nullable=False),
        sa.Column("start_hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("chain", name="pk_audit_chains"),
    )
    op.create_table(
        "audit_checkpoints",
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("chain", sa.Text(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("previous", sa.LargeBinary(), nullable=False),
        sa.Column("signature", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_audit_checkpoints"),
    )
    op.create_index("ix_audit_checkpoints_chain", "audit_checkpoints", ["chain", "position"])
    op.execute(_CHECKPOINT_GUARD)
    for trigger in _CHECKPOINT_TRIGGERS:
        op.execute(trigger)
    op.add_column("audit_records", sa.Column("chain", sa.Text()))
    op.add_column("audit_records", sa.Column("position", sa.BigInteger()))
    op.add_column("audit_records", sa.Column("salt", sa.LargeBinary()))
    op.add_column("audit_records", sa.Column("personal_hash", sa.LargeBinary()))
    op.add_column("audit_records", sa.Column("hash", sa.LargeBinary()))
    op.add_column("audit_records", sa.Column("erased_by", sa.Text()))
    op.execute("ALTER TABLE audit_records DISABLE TRIGGER audit_records_keep_rows")
    _chain_what_is_there(op.get_bind())
    op.execute("ALTER TABLE audit_records ENABLE TRIGGER audit_records_keep_rows")
    for name in _NEW_COLUMNS:
        op.alter_column("audit_records", name, nullable=False)
    op.create_index("uq_audit_records_chain_position", "audit_records", ["chain", "position"], unique=True)
    op.execute(_GUARD)


def _chain_what_is_there(connection: sa.Connection) -> None:
    """Give every record its place, in the order in which they were written."""
    table = _RECORDS.c
    heads: dict[str, tuple[int, bytes]] = {}
    after = 0
    while True:
        statement = sa.select(_RECORDS).where(table.sequence > after).order_by(table.sequence)
        rows = connection.execute(statement.limit(_BATCH)).mappings().all()
        for row in rows:
            record = read_record(row)
            chain = chains.chain_name(record.organization_id)
            position, previous = heads.get(chain, (0, chains.genesis(chain)))
            salt = os.urandom(chains.SALT_BYTES)
            personal = chains.personal_hash(record, salt)
            link = chains.link_hash(previous, position + 1, chains.content_hash(record, personal))
            heads[chain] = (position + 1, link)
            connection.execute(
                sa.update(_RECORDS)
                .where(table.sequence == row["sequence"])
                .values(chain=chain, position=position + 1, salt=salt, personal_hash=personal, hash=link)
            )
        if len(rows) < _BATCH:
            break
        after = rows[-1]["sequence"]
    for chain, (position, last) in heads.items():
        connection.execute(
            sa.text(
                "INSERT INTO audit_chains (chain, position, hash, start_position, start_hash)"
                " VALUES (:chain, :position, :hash, 1, :start)"
            ),
            {"chain": chain, "position": position, "hash": last, "start": chains.genesis(chain)},
        )


def downgrade() -> None:
    op.execute(_GUARD_BEFORE)
    op.drop_index("uq_audit_records_chain_position", table_name="audit_records")
    for name in ("erased_by", "hash", "personal_hash", "salt", "position", "chain"):
        op.drop_column("audit_records", name)
    op.drop_table("audit_checkpoints")
    op.drop_table("audit_chains")
    op.execute("DROP FUNCTION audit_checkpoints_only_grow()")
