"""What Alembic runs: migrations on the connection that ``migrate`` opened and locked."""

from alembic import context

from ostiary.adapters.sql.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transaction_per_migration=False,
)
with context.begin_transaction():
    context.run_migrations()
