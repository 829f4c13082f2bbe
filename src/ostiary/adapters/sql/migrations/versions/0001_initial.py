"""The first schema: every table, and the job tables."""

from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001_initial"
down_revision = None
branch_labels = None
depends_on = None

_JOB_TABLES = Path(__file__).parents[1] / "procrastinate.sql"

_ONLY_GROW = """
CREATE OR REPLACE FUNCTION audit_records_only_grow() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit trail can only grow' USING ERRCODE = 'insufficient_privilege';
END
$$;
CREATE TRIGGER audit_records_keep_rows BEFORE UPDATE OR DELETE ON audit_records
    FOR EACH ROW EXECUTE FUNCTION audit_records_only_grow();
CREATE TRIGGER audit_records_keep_table BEFORE TRUNCATE ON audit_records
    FOR EACH STATEMENT EXECUTE FUNCTION audit_records_only_grow();
"""

_DROP_JOB_TABLES = """
DO $$
DECLARE
    thing record;
BEGIN
    DROP TABLE IF EXISTS
        procrastinate_periodic_defers, procrastinate_events, procrastinate_jobs, procrastinate_workers CASCADE;
    FOR thing IN
        SELECT format('%I(%s)', proname, pg_get_function_identity_arguments(oid)) AS signature
        FROM pg_proc
        WHERE pronamespace = current_schema()::regnamespace AND starts_with(proname, 'procrastinate_')
    LOOP
        EXECUTE 'DROP FUNCTION ' || thing.signature || ' CASCADE';
    END LOOP;
    DROP TYPE IF EXISTS
        procrastinate_job_to_defer_v1, procrastinate_job_event_type, procrastinate_job_status CASCADE;
END;
$$
"""


def _run_script(script: str) -> None:
    # Only the driver itself takes many statements in one text, and leaves its per cent signs alone.
    driver: Any = op.get_bind().connection.driver_connection
    driver.execute(script)


def upgrade() -> None:
    op.create_table(
        "admin_consent_links",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("reference", sa.String(length=16), nullable=False),
        sa.Column("organization_id", sa.String(length=64), nullable=False),
        sa.Column("secret_hash", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("asked_by_name", sa.Text(), nullable=False),
        sa.Column("asked_by_member_id", sa.String(length=64), nullable=True),
        sa.Column("expected_tenant_id", sa.String(length=36), nullable=True),
        sa.Column("sent_to", sa.Text(), nullable=True),
        sa.Column("browser_hash", sa.LargeBinary(), nullable=True),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("withdrawn_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("declined_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("decline_reason", sa.Text(), nullable=True),
        sa.Column("made_by_browser_hash", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_admin_consent_links")),
        sa.UniqueConstraint("reference", name=op.f("uq_admin_consent_links_reference")),
        sa.UniqueConstraint("secret_hash", name=op.f("uq_admin_consent_links_secret_hash")),
    )
    op.create_index(
        op.f("ix_admin_consent_links_organization_id"),
        "admin_consent_links",
        ["organization_id"],
        unique=False,
    )
    op.create_table(
        "api_keys",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("secret_hash", sa.LargeBinary(), nullable=False),
        sa.Column("permissions", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_keys")),
    )
    op.create_table(
        "approval_requests",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("reference", sa.String(length=16), nullable=False),
        sa.Column("organization_id", sa.String(length=64), nullable=False),
        sa.Column("method", sa.String(length=16), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("asked_by_member_id", sa.String(length=64), nullable=False),
        sa.Column("asked_by_name", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("tenant_id", sa.String(length=36), nullable=True),
        sa.Column("sent_to", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("decline_reason", sa.Text(), nullable=True),
        sa.Column("resolved_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_approval_requests")),
        sa.UniqueConstraint("reference", name=op.f("uq_approval_requests_reference")),
    )
    op.create_index(
        op.f("ix_approval_requests_organization_id"), "approval_requests", ["organization_id"], unique=False
    )
    op.create_index(
        "uq_approval_requests_open",
        "approval_requests",
        ["organization_id", "method"],
        unique=True,
        postgresql_where=sa.text("state IN ('waiting', 'sent', 'started')"),
    )
    op.create_table(
        "audit_records",
        sa.Column("sequence", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor_kind", sa.Text(), nullable=False),
        sa.Column("actor_id", sa.Text(), nullable=False),
        sa.Column("actor_name", sa.Text(), nullable=False),
        sa.Column("ip", sa.Text(), nullable=True),
        sa.Column("request_id", sa.Text(), nullable=True),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("sentence", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("organization_id", sa.Text(), nullable=True),
        sa.Column("object_id", sa.Text(), nullable=True),
        sa.Column("reference", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("detail", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_audit_records")),
        sa.UniqueConstraint("id", name=op.f("uq_audit_records_id")),
    )
    op.create_index("ix_audit_records_object", "audit_records", ["object_id", "sequence"], unique=False)
    op.create_index(
        "ix_audit_records_organization", "audit_records", ["organization_id", "sequence"], unique=False
    )
    op.create_index("ix_audit_records_reference", "audit_records", ["reference", "sequence"], unique=False)
    op.create_table(
        "authorization_requests",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("state_hash", sa.LargeBinary(), nullable=False),
        sa.Column("browser_hash", sa.LargeBinary(), nullable=False),
        sa.Column("registration_id", sa.String(length=64), nullable=False),
        sa.Column("cloud", sa.String(length=32), nullable=False),
        sa.Column("authority", sa.String(length=64), nullable=False),
        sa.Column("redirect_uri", sa.Text(), nullable=False),
        sa.Column("scopes", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("subject", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("consumed_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_authorization_requests")),
        sa.UniqueConstraint("state_hash", name=op.f("uq_authorization_requests_state_hash")),
    )
    op.create_index(
        op.f("ix_authorization_requests_expires_at"), "authorization_requests", ["expires_at"], unique=False
    )
    op.create_table(
        "connect_sessions",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("reference", sa.String(length=16), nullable=False),
        sa.Column("secret_hash", sa.LargeBinary(), nullable=False),
        sa.Column("organization_id", sa.String(length=64), nullable=False),
        sa.Column("member_id", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("return_url", sa.Text(), nullable=True),
        sa.Column("vendor_verified_identity", sa.Boolean(), nullable=False),
        sa.Column("connection_id", sa.String(length=64), nullable=True),
        sa.Column("completion_hash", sa.LargeBinary(), nullable=True),
        sa.Column("browser_hash", sa.LargeBinary(), nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("mail", sa.Boolean(), nullable=False),
        sa.Column("calendar", sa.Boolean(), nullable=False),
        sa.Column("method", sa.String(length=16), nullable=True),
        sa.Column("reason", sa.String(length=64), nullable=True),
        sa.Column("reason_variant", sa.String(length=32), nullable=True),
        sa.Column("missing", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("account", sa.Text(), nullable=True),
        sa.Column("provider", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("made_connection_id", sa.String(length=64), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_connect_sessions")),
        sa.UniqueConstraint("reference", name=op.f("uq_connect_sessions_reference")),
        sa.UniqueConstraint("secret_hash", name=op.f("uq_connect_sessions_secret_hash")),
    )
    op.create_index(op.f("ix_connect_sessions_expires_at"), "connect_sessions", ["expires_at"], unique=False)
    op.create_index(
        op.f("ix_connect_sessions_made_connection_id"),
        "connect_sessions",
        ["made_connection_id"],
        unique=False,
    )
    op.create_table(
        "connections",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("organization_id", sa.String(length=64), nullable=False),
        sa.Column("member_id", sa.String(length=64), nullable=False),
        sa.Column("cloud", sa.String(length=32), nullable=False),
        sa.Column("tenant_id", sa.String(length=36), nullable=False),
        sa.Column("object_id", sa.String(length=36), nullable=False),
        sa.Column("method", sa.String(length=16), nullable=False),
        sa.Column("registration_id", sa.String(length=64), nullable=False),
        sa.Column("mail", sa.Boolean(), nullable=False),
        sa.Column("calendar", sa.Boolean(), nullable=False),
        sa.Column("status", sa.String(length=32), nullable=False),
        sa.Column("reference", sa.String(length=16), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("display_name", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("granted_scopes", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("reason", sa.String(length=64), nullable=True),
        sa.Column("provider", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("connected_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("confirm_before", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_success_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("token_version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_connections")),
        sa.UniqueConstraint("reference", name=op.f("uq_connections_reference")),
    )
    op.create_index(op.f("ix_connections_member_id"), "connections", ["member_id"], unique=False)
    op.create_index(
        "ix_connections_organization_page",
        "connections",
        ["organization_id", "created_at", "id"],
        unique=False,
    )
    op.create_index(
        "ix_connections_unconfirmed",
        "connections",
        ["confirm_before"],
        unique=False,
        postgresql_where=sa.text("status = 'unconfirmed'"),
    )
    op.create_index(
        "uq_connections_live_identity",
        "connections",
        ["cloud", "tenant_id", "object_id"],
        unique=True,
        postgresql_where=sa.text("status NOT IN ('disconnected', 'unconfirmed')"),
    )
    op.create_table(
        "consent_attempts",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("reference", sa.String(length=16), nullable=False),
        sa.Column("method", sa.String(length=16), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("browser_hash", sa.LargeBinary(), nullable=False),
        sa.Column("registration_id", sa.String(length=64), nullable=False),
        sa.Column("cloud", sa.String(length=32), nullable=False),
        sa.Column("requested_scopes", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("organization_id", sa.String(length=64), nullable=True),
        sa.Column("link_id", sa.String(length=64), nullable=True),
        sa.Column("expected_tenant_id", sa.String(length=36), nullable=True),
        sa.Column("claimed_tenant_id", sa.String(length=36), nullable=True),
        sa.Column("claimed_scopes", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("tenant_id", sa.String(length=36), nullable=True),
        sa.Column("tenant_name", sa.Text(), nullable=True),
        sa.Column("tenant_domains", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("account", sa.Text(), nullable=True),
        sa.Column("account_name", sa.Text(), nullable=True),
        sa.Column("account_object_id", sa.String(length=36), nullable=True),
        sa.Column("has_consenting_role", sa.Boolean(), nullable=False),
        sa.Column("granted_scopes", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("ews_reachable", sa.Boolean(), nullable=True),
        sa.Column("forward_link_id", sa.String(length=64), nullable=True),
        sa.Column("told_count", sa.Integer(), nullable=False),
        sa.Column("reason", sa.String(length=64), nullable=True),
        sa.Column("reason_variant", sa.String(length=32), nullable=True),
        sa.Column("provider", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("returned_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("verified_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("check_count", sa.Integer(), nullable=False),
        sa.Column("next_check_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_consent_attempts")),
        sa.UniqueConstraint("reference", name=op.f("uq_consent_attempts_reference")),
    )
    op.create_index(
        op.f("ix_consent_attempts_browser_hash_created_at"),
        "consent_attempts",
        ["browser_hash", "created_at"],
        unique=False,
    )
    op.create_index(
        op.f("ix_consent_attempts_organization_id_created_at"),
        "consent_attempts",
        ["organization_id", "created_at"],
        unique=False,
    )
    op.create_index(
        "ix_consent_attempts_pending",
        "consent_attempts",
        ["created_at"],
        unique=False,
        postgresql_where=sa.text("reason = 'tenant_pending'"),
    )
    op.create_table(
        "consents",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("cloud", sa.String(length=32), nullable=False),
        sa.Column("tenant_id", sa.String(length=36), nullable=False),
        sa.Column("organization_id", sa.String(length=64), nullable=False),
        sa.Column("method", sa.String(length=16), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("reference", sa.String(length=16), nullable=False),
        sa.Column("granted_scopes", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("approved_by_object_id", sa.String(length=36), nullable=True),
        sa.Column("approved_by_username", sa.Text(), nullable=True),
        sa.Column("approved_by_name", sa.Text(), nullable=True),
        sa.Column("verified_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("verified_how", sa.String(length=64), nullable=True),
        sa.Column("checked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.String(length=64), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_consents")),
        sa.UniqueConstraint("cloud", "tenant_id", "method", name=op.f("uq_consents_cloud_tenant_id_method")),
    )
    op.create_index(op.f("ix_consents_organization_id"), "consents", ["organization_id"], unique=False)
    op.create_table(
        "console_sessions",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("secret_hash", sa.LargeBinary(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("subject_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("organization_id", sa.Text(), nullable=True),
        sa.Column("viewed_organization_id", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_console_sessions")),
        sa.UniqueConstraint("secret_hash", name=op.f("uq_console_sessions_secret_hash")),
    )
    op.create_index(
        "ix_console_sessions_subject",
        "console_sessions",
        ["subject_id"],
        unique=False,
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_table(
        "idempotency_keys",
        sa.Column("caller_id", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("request_hash", sa.LargeBinary(), nullable=False),
        sa.Column("claimed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("answer", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("caller_id", "key", name=op.f("pk_idempotency_keys")),
    )
    op.create_index(op.f("ix_idempotency_keys_claimed_at"), "idempotency_keys", ["claimed_at"], unique=False)
    op.create_table(
        "one_time_links",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("secret_hash", sa.LargeBinary(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("subject_id", sa.Text(), nullable=False),
        sa.Column("organization_id", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_one_time_links")),
        sa.UniqueConstraint("secret_hash", name=op.f("uq_one_time_links_secret_hash")),
    )
    op.create_table(
        "operators",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=True),
        sa.Column("object_id", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_operators")),
    )
    op.create_index(
        "uq_operators_identity",
        "operators",
        ["tenant_id", "object_id"],
        unique=True,
        postgresql_where=sa.text("tenant_id IS NOT NULL AND object_id IS NOT NULL"),
    )
    op.create_table(
        "organizations",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seat_count", sa.Integer(), nullable=False),
        sa.Column("allowed_domains", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("expected_tenant_id", sa.Text(), nullable=True),
        sa.Column("pinned_method", sa.Text(), nullable=True),
        sa.Column("it_contact_name", sa.Text(), nullable=True),
        sa.Column("it_contact_email", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_organizations")),
        sa.UniqueConstraint("external_id", name=op.f("uq_organizations_external_id")),
    )
    op.create_table(
        "refresh_leases",
        sa.Column("connection_id", sa.String(length=64), nullable=False),
        sa.Column("holder", sa.String(length=64), nullable=False),
        sa.Column("held_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("connection_id", name=op.f("pk_refresh_leases")),
    )
    op.create_table(
        "tenants",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("cloud", sa.String(length=32), nullable=False),
        sa.Column("tenant_id", sa.String(length=36), nullable=False),
        sa.Column("organization_id", sa.String(length=64), nullable=False),
        sa.Column("binding", sa.String(length=16), nullable=False),
        sa.Column("bound_how", sa.String(length=32), nullable=False),
        sa.Column("display_name", sa.Text(), nullable=False),
        sa.Column("domains", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("bound_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tenants")),
        sa.UniqueConstraint("cloud", "tenant_id", name=op.f("uq_tenants_cloud_tenant_id")),
    )
    op.create_index(op.f("ix_tenants_organization_id"), "tenants", ["organization_id"], unique=False)
    op.create_table(
        "access_tokens",
        sa.Column("connection_id", sa.String(length=64), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("format_version", sa.Integer(), nullable=False),
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("wrapped_key", sa.LargeBinary(), nullable=False),
        sa.Column("nonce", sa.LargeBinary(), nullable=False),
        sa.Column("commitment", sa.LargeBinary(), nullable=False),
        sa.Column("ciphertext", sa.LargeBinary(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["connection_id"], ["connections.id"], name=op.f("fk_access_tokens_connection_id")
        ),
        sa.PrimaryKeyConstraint("connection_id", name=op.f("pk_access_tokens")),
    )
    op.create_index(op.f("ix_access_tokens_expires_at"), "access_tokens", ["expires_at"], unique=False)
    op.create_table(
        "approval_waiters",
        sa.Column("request_id", sa.String(length=64), nullable=False),
        sa.Column("member_id", sa.String(length=64), nullable=False),
        sa.Column("mail", sa.Boolean(), nullable=False),
        sa.Column("calendar", sa.Boolean(), nullable=False),
        sa.Column("joined_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("browser_hash", sa.LargeBinary(), nullable=True),
        sa.Column("return_url", sa.Text(), nullable=True),
        sa.Column("link_reference", sa.String(length=16), nullable=True),
        sa.ForeignKeyConstraint(
            ["request_id"],
            ["approval_requests.id"],
            name=op.f("fk_approval_waiters_request_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("request_id", "member_id", name=op.f("pk_approval_waiters")),
    )
    op.create_table(
        "members",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("organization_id", sa.Text(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("display_name", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("licensed", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=True),
        sa.Column("object_id", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name=op.f("fk_members_organization_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_members")),
        sa.UniqueConstraint(
            "organization_id", "external_id", name=op.f("uq_members_organization_id_external_id")
        ),
    )
    op.create_index(
        "ix_members_by_email", "members", ["organization_id", sa.literal_column("lower(email)")], unique=False
    )
    op.create_index(
        "ix_members_by_name",
        "members",
        ["organization_id", sa.literal_column("lower(display_name)"), "id"],
        unique=False,
    )
    op.create_index(
        "uq_members_identity",
        "members",
        ["tenant_id", "object_id"],
        unique=True,
        postgresql_where=sa.text("tenant_id IS NOT NULL AND object_id IS NOT NULL"),
    )
    op.create_table(
        "refresh_tokens",
        sa.Column("connection_id", sa.String(length=64), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("format_version", sa.Integer(), nullable=False),
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("wrapped_key", sa.LargeBinary(), nullable=False),
        sa.Column("nonce", sa.LargeBinary(), nullable=False),
        sa.Column("commitment", sa.LargeBinary(), nullable=False),
        sa.Column("ciphertext", sa.LargeBinary(), nullable=False),
        sa.Column("stored_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["connection_id"], ["connections.id"], name=op.f("fk_refresh_tokens_connection_id")
        ),
        sa.PrimaryKeyConstraint("connection_id", name=op.f("pk_refresh_tokens")),
    )
    op.create_index(op.f("ix_refresh_tokens_stored_at"), "refresh_tokens", ["stored_at"], unique=False)
    _run_script(_ONLY_GROW)
    _run_script(_JOB_TABLES.read_text("utf-8"))


def downgrade() -> None:
    _run_script(_DROP_JOB_TABLES)
    op.drop_index(op.f("ix_refresh_tokens_stored_at"), table_name="refresh_tokens")
    op.drop_table("refresh_tokens")
    op.drop_index(
        "uq_members_identity",
        table_name="members",
        postgresql_where=sa.text("tenant_id IS NOT NULL AND object_id IS NOT NULL"),
    )
    op.drop_index("ix_members_by_name", table_name="members")
    op.drop_index("ix_members_by_email", table_name="members")
    op.drop_table("members")
    op.drop_table("approval_waiters")
    op.drop_index(op.f("ix_access_tokens_expires_at"), table_name="access_tokens")
    op.drop_table("access_tokens")
    op.drop_index(op.f("ix_tenants_organization_id"), table_name="tenants")
    op.drop_table("tenants")
    op.drop_table("refresh_leases")
    op.drop_table("organizations")
    op.drop_index(
        "uq_operators_identity",
        table_name="operators",
        postgresql_where=sa.text("tenant_id IS NOT NULL AND object_id IS NOT NULL"),
    )
    op.drop_table("operators")
    op.drop_table("one_time_links")
    op.drop_index(op.f("ix_idempotency_keys_claimed_at"), table_name="idempotency_keys")
    op.drop_table("idempotency_keys")
    op.drop_index(
        "ix_console_sessions_subject",
        table_name="console_sessions",
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.drop_table("console_sessions")
    op.drop_index(op.f("ix_consents_organization_id"), table_name="consents")
    op.drop_table("consents")
    op.drop_index(
        "ix_consent_attempts_pending",
        table_name="consent_attempts",
        postgresql_where=sa.text("reason = 'tenant_pending'"),
    )
    op.drop_index(op.f("ix_consent_attempts_organization_id_created_at"), table_name="consent_attempts")
    op.drop_index(op.f("ix_consent_attempts_browser_hash_created_at"), table_name="consent_attempts")
    op.drop_table("consent_attempts")
    op.drop_index(
        "uq_connections_live_identity",
        table_name="connections",
        postgresql_where=sa.text("status NOT IN ('disconnected', 'unconfirmed')"),
    )
    op.drop_index(
        "ix_connections_unconfirmed",
        table_name="connections",
        postgresql_where=sa.text("status = 'unconfirmed'"),
    )
    op.drop_index("ix_connections_organization_page", table_name="connections")
    op.drop_index(op.f("ix_connections_member_id"), table_name="connections")
    op.drop_table("connections")
    op.drop_index(op.f("ix_connect_sessions_made_connection_id"), table_name="connect_sessions")
    op.drop_index(op.f("ix_connect_sessions_expires_at"), table_name="connect_sessions")
    op.drop_table("connect_sessions")
    op.drop_index(op.f("ix_authorization_requests_expires_at"), table_name="authorization_requests")
    op.drop_table("authorization_requests")
    op.drop_index("ix_audit_records_reference", table_name="audit_records")
    op.drop_index("ix_audit_records_organization", table_name="audit_records")
    op.drop_index("ix_audit_records_object", table_name="audit_records")
    op.drop_table("audit_records")
    op.drop_index(
        "uq_approval_requests_open",
        table_name="approval_requests",
        postgresql_where=sa.text("state IN ('waiting', 'sent', 'started')"),
    )
    op.drop_index(op.f("ix_approval_requests_organization_id"), table_name="approval_requests")
    op.drop_table("approval_requests")
    op.drop_table("api_keys")
    op.drop_index(op.f("ix_admin_consent_links_organization_id"), table_name="admin_consent_links")
    op.drop_table("admin_consent_links")
    op.execute("DROP FUNCTION audit_records_only_grow()")
