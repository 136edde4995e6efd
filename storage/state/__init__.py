"""Transactional state: SQLite by default, PostgreSQL when there are several nodes."""
