"""Every room's tables, so that the metadata is whole wherever it is looked at."""

from storage.state import (
    alert_tables,
    backfill_tables,
    baseline_tables,
    control_tables,
    delivery_tables,
    key_tables,
    lease_tables,
    ledger_tables,
    limit_tables,
    meaning_tables,
    quarantine_tables,
    resent_tables,
    retention_tables,
)

__all__ = [
    "alert_tables",
    "backfill_tables",
    "baseline_tables",
    "control_tables",
    "delivery_tables",
    "key_tables",
    "lease_tables",
    "ledger_tables",
    "limit_tables",
    "meaning_tables",
    "quarantine_tables",
    "resent_tables",
    "retention_tables",
]
