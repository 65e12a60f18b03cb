"""What Alembic runs to bring a database to the newest tables; `migrate.py` starts it."""

from alembic import context

from cropperhead.collection import tables

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=tables.METADATA,
    render_as_batch=True,  # SQLite cannot alter a column
)
with context.begin_transaction():
    context.run_migrations()
