"""API keys: what is kept of a key is its prefix and a hash, never the key.

A key of a certificate has no secret: its hash is empty and matches nothing.
"""

from __future__ import annotations

from sqlalchemy import Column, DateTime, Float, String, Table

from storage.state.metadata import METADATA

API_KEYS = Table(
    "api_keys",
    METADATA,
    Column("prefix", String(16), primary_key=True),
    Column("hash", String(64), nullable=False),
    Column("name", String(100), nullable=False),
    Column("tenant", String(64), nullable=False),
    Column("roles", String(200), nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("expires_at", DateTime(timezone=True)),
    Column("revoked_at", DateTime(timezone=True)),
    Column("replaces", String(16)),
    Column("last_used_at", DateTime(timezone=True)),
    Column("signals", String(100)),
    Column("bytes_per_s", Float),
    Column("items_per_s", Float),
    Column("certificate", String(300)),
)
