"""Alembic's entry point: runs inside the transaction that `migrate_state` opened."""

from __future__ import annotations

from alembic import context

from storage.state.metadata import METADATA

context.configure(connection=context.config.attributes["connection"], target_metadata=METADATA, transactional_ddl=False)
context.run_migrations()
