"""Parquet rows, as text, batch by batch.

Every value becomes the text that Arrow's own cast gives it; times become ISO 8601 with `Z` when the column has a zone
and without an offset when it has none; lists and structs become JSON; large floats are written out in digits, and one
that is no number (NaN) is a missing value, as data frames mean it. No more than one batch of 4,096 rows is held.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from collector.importers.rows import Broken, Row, is_text
from core.errors import InvalidInput

BATCH_ROWS = 4_096


class ParquetTable:
    """See `Table`; the line of a row is its number."""

    def __init__(self, path: Path) -> None:
        self._name = path.name
        try:
            self._file = pq.ParquetFile(path)
            schema = self._file.schema_arrow
            self.columns: tuple[str, ...] = tuple(schema.names)
        except (pa.ArrowException, OSError, UnicodeDecodeError) as problem:
            raise InvalidInput(f"{path.name}: is not a readable Parquet file: {problem}") from None
        self.native_times = frozenset(field.name for field in schema if pa.types.is_temporal(field.type))
        self._rows: int = self._file.metadata.num_rows
        self._done = 0

    def __iter__(self) -> Iterator[Row | Broken]:
        for batch in self._batches():
            columns = [_texts(column) for column in batch.columns]
            for cells in zip(*columns, strict=True):
                self._done += 1
                row = list(cells)
                if is_text(row):
                    yield Row(self._done, self._done, row)
                else:
                    yield Broken(self._done, self._done, "is not utf-8 text", row)

    def part_done(self) -> float:
        return self._done / self._rows if self._rows else 1.0

    def notes(self) -> list[str]:
        return []

    def close(self) -> None:
        self._file.close()

    def _batches(self) -> Iterator[Any]:
        try:
            yield from self._file.iter_batches(batch_size=BATCH_ROWS)
        except (pa.ArrowException, OSError) as problem:
            raise InvalidInput(f"{self._name}: damaged after row {self._done}: {problem}") from None


def _texts(column: Any) -> list[str]:
    """The column as text; a null is an empty text."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    kind = column.type
    if isinstance(kind, pa.BaseExtensionType):  # UUIDs, JSON
        return ["" if value is None else str(value) for value in column.to_pylist()]
    if pa.types.is_nested(kind):
        return ["" if value is None else json.dumps(value, default=str) for value in column.to_pylist()]
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind):
        return _decoded(column)
    if pa.types.is_timestamp(kind):
        if kind.tz is not None:
            column = column.cast(pa.timestamp(kind.unit, "UTC"))
        texts = pc.cast(column, pa.string())
    elif pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        texts = column
    elif pa.types.is_floating(kind):
        return [_written_out(text) for text in pc.cast(column, pa.string()).to_pylist()]
    else:
        texts = pc.cast(column, pa.string())
    try:
        return ["" if value is None else value for value in texts.to_pylist()]
    except UnicodeDecodeError:
        return _decoded(texts.cast(pa.large_binary()))


def _written_out(number: str | None) -> str:
    """A float without an exponent, as long as that is no more than Unix time needs."""
    if number is None or number == "nan":
        return ""
    return format(Decimal(number), "f") if "e+" in number and len(number.partition("e+")[2]) < 3 else number


def _decoded(column: Any) -> list[str]:
    return ["" if value is None else value.decode("utf-8", "surrogateescape") for value in column.to_pylist()]
