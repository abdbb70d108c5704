"""Alembic's way in: runs on the connection that kpr.store.schema hands over."""

from alembic import context
from sqlmodel import SQLModel

from kpr.store import tables  # noqa: F401  (so that the metadata is filled)

context.configure(connection=context.config.attributes["connection"], target_metadata=SQLModel.metadata)
with context.begin_transaction():
    context.run_migrations()
