"""A second set of the tables in which events and rows are put aside: for each other holding of the jobs' lease.

Who lost the lease without knowing it may be in the middle of a statement while the next one begins. Each uses the
tables of the number of its holding, even or odd.
"""

from __future__ import annotations

from storage.migrations.m0014_kpi_batches import EVENTS, VIEWS
from storage.migrations.operations import CreateLike, CreateTable, Migration

MIGRATION = Migration(
    15,
    "tables_by_term",
    "who takes over the jobs puts events and rows aside in other tables than who ran them before",
    (
        *(CreateLike(f"{name.replace('kpi_', 'kpi_made_')}_odd", name, "Memory") for name in VIEWS),
        CreateTable("kpi_batch_1_odd", EVENTS, "Memory"),
        CreateTable("kpi_batch_2_odd", EVENTS, "Memory"),
    ),
)
