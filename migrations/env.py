"""Alembic's entry: migrates the connection that `db.migrate` hands over, never one of its own."""

from alembic import context

from db.migrate import ADVISORY_LOCK, is_managed
from db.models import Base

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=Base.metadata,
    include_name=is_managed,
    transaction_per_migration=True,
)
with context.begin_transaction():
    # Two processes may start at once; the second waits here and then finds nothing to do. A
    # migration must rather fail than queue every query of a live database behind its lock.
    connection.exec_driver_sql("SET LOCAL lock_timeout = '30s'")
    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({ADVISORY_LOCK})")
    context.run_migrations()
