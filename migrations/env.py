"""Alembic's entry: migrates the connection that `db.migrate` hands over, never one of its own."""

from alembic import context

from db import reader, views
from db.migrate import is_managed, one_at_a_time
from db.models import Base

connection = context.config.attributes["connection"]
with one_at_a_time(connection):
    views.remove(connection)
    connection.commit()
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        include_name=is_managed,
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()
    if context.get_context().get_current_revision() == context.script.get_current_head():
        views.install(connection)
        reader.admit(connection)
    connection.commit()
