"""Run by Alembic: migrates over the connection that it is given, within its transaction."""

from alembic import context

from mmrad.review.store.models import Base

context.configure(
    connection=context.config.attributes["connection"], target_metadata=Base.metadata, render_as_batch=True
)
context.run_migrations()
