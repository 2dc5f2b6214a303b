"""Runs migrations on the connection it is handed. It opens none itself, so nobody migrates without the lock."""

from alembic import context

config = context.config
connection = config.attributes["connection"]

context.configure(
    connection=connection,
    target_metadata=config.attributes["metadata"],
    render_as_batch=True,
    compare_type=True,
    compare_server_default=False,
    # SQLite can roll back changes of tables; Alembic is only careful by default
    transactional_ddl=True,
    transaction_per_migration=False,
)
context.run_migrations()
