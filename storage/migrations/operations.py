"""What a migration is made of: typed operations that print their SQL, for one node or for a cluster.

Every operation may be repeated: a migration that was killed half-way is simply run again. None of them promises to
be undone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True)
class Topology:
    """Where the tables live: `cluster` names ClickHouse's cluster, empty on a single node."""

    cluster: str = ""

    @property
    def on_cluster(self) -> str:
        return f" ON CLUSTER `{self.cluster}`" if self.cluster else ""


SINGLE_NODE = Topology()


class Operation(Protocol):
    """One statement."""

    @property
    def target(self) -> str:
        """The table or view that it makes or changes."""
        ...

    def sql(self, topology: Topology) -> str:
        """The statement, safe to repeat."""
        ...


@dataclass(frozen=True)
class CreateTable:
    """A table with its declared schema. `columns` maps a name to its type, with codec where it pays."""

    target: str
    columns: Mapping[str, str]
    engine: str
    order_by: str = ""
    partition_by: str = ""
    indexes: tuple[str, ...] = ()
    settings: Mapping[str, int | str] = field(default_factory=dict)

    def sql(self, topology: Topology) -> str:
        lines = [f"`{name}` {kind}" for name, kind in self.columns.items()] + [f"INDEX {one}" for one in self.indexes]
        engine = self.engine
        if topology.cluster and "MergeTree" in engine:
            engine = f"Replicated{engine}"
        body = ",\n  ".join(lines)
        text = f"CREATE TABLE IF NOT EXISTS {self.target}{topology.on_cluster} (\n  {body}\n) ENGINE = {engine}"
        if self.partition_by:
            text += f"\nPARTITION BY {self.partition_by}"
        if self.order_by:
            text += f"\nORDER BY {self.order_by}"
        if self.settings:
            text += "\nSETTINGS " + ", ".join(f"{name} = {value}" for name, value in self.settings.items())
        return text


@dataclass(frozen=True)
class CreateLike:
    """A table with the columns that another has now, and no keys."""

    target: str
    like: str
    engine: str

    def sql(self, topology: Topology) -> str:
        return f"CREATE TABLE IF NOT EXISTS {self.target}{topology.on_cluster} AS {self.like} ENGINE = {self.engine}"


@dataclass(frozen=True)
class CreateRawTable:
    """A table whose columns are given as text: the Null tables shaped like OTLP."""

    target: str
    columns: str
    engine: str

    def sql(self, topology: Topology) -> str:
        return f"CREATE TABLE IF NOT EXISTS {self.target}{topology.on_cluster} ({self.columns}) ENGINE = {self.engine}"


@dataclass(frozen=True)
class CreateView:
    """A materialized view that feeds a table from inserts into another."""

    target: str
    to: str
    select: str

    def sql(self, topology: Topology) -> str:
        head = f"CREATE MATERIALIZED VIEW IF NOT EXISTS {self.target}{topology.on_cluster} TO {self.to} AS"
        return f"{head}\n{self.select}"


@dataclass(frozen=True)
class AddColumn:
    """Another column of a table, after the others. `kind` may have a default and a codec."""

    target: str
    column: str
    kind: str

    def sql(self, topology: Topology) -> str:
        return f"ALTER TABLE {self.target}{topology.on_cluster} ADD COLUMN IF NOT EXISTS `{self.column}` {self.kind}"


@dataclass(frozen=True)
class CopyRows:
    """All rows of a table into one with the same columns; on a cluster, replication brings them to the other nodes."""

    target: str
    source: str
    columns: tuple[str, ...]

    def sql(self, topology: Topology) -> str:
        names = ", ".join(f"`{name}`" for name in self.columns)
        return (
            f"INSERT INTO {self.target} ({names}) SELECT {names} FROM {self.source}\n"
            "SETTINGS max_partitions_per_insert_block = 0, max_insert_threads = 1"
        )


@dataclass(frozen=True)
class Drop:
    """A table or view that is no longer needed, whatever its size."""

    target: str

    def sql(self, topology: Topology) -> str:
        return (
            f"DROP TABLE IF EXISTS {self.target}{topology.on_cluster} SYNC\n"
            "SETTINGS max_table_size_to_drop = 0, max_partition_size_to_drop = 0"
        )


@dataclass(frozen=True)
class Rename:
    """A table under another name, which must be free."""

    target: str
    name: str

    def sql(self, topology: Topology) -> str:
        return f"RENAME TABLE {self.target} TO {self.name}{topology.on_cluster}"


@dataclass(frozen=True)
class Migration:
    """A numbered step. `blocking` says that it rewrites data and wants a quiet moment."""

    number: int
    name: str
    why: str
    operations: tuple[Operation, ...]
    blocking: bool = False
