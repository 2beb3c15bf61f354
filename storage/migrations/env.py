"""Alembic's entry: migrations run on the connection that `storage.migrate` opened."""

from alembic import context

import storage.database
import storage.store  # noqa: F401 (every noun's tables)
from storage.base import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
