"""A report as Parquet: a row a point, typed columns, the definitions in the schema's metadata under `opsintel`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from kpis.exports.report import Report

BATCH = 20_000
METADATA = b"opsintel"


def schema(report: Report) -> pa.Schema:
    """Times are instants that are shown in the report's zone; `value` is in the unit of its row."""
    at = pa.timestamp("us", tz=report.timezone)
    columns = [
        ("kpi", pa.string()), ("version", pa.int32()), ("unit", pa.string()), ("currency", pa.string()),
        ("basis", pa.string()), ("dimension", pa.string()), ("dimension_value", pa.string()), ("grain", pa.string()),
        ("start", at), ("end", at), ("value", pa.float64()), ("target", pa.float64()), ("numerator", pa.float64()),
        ("denominator", pa.float64()), ("sample_size", pa.int64()), ("excluded", pa.int64()),
        ("open_cases", pa.int64()), ("complete", pa.bool_()),
    ]  # fmt: skip
    return pa.schema(columns, metadata={METADATA: json.dumps(_about(report), ensure_ascii=False).encode()})


def write_parquet(report: Report, file: BinaryIO) -> None:
    """Writes the whole report; a batch of rows at a time is in memory, and becomes a row group."""
    columns = schema(report)
    rows = _rows(report)
    with pq.ParquetWriter(file, columns, compression="zstd") as writer:
        while batch := list(islice(rows, BATCH)):
            arrays = [
                pa.array(values, field.type) for values, field in zip(zip(*batch, strict=True), columns, strict=True)
            ]
            writer.write_batch(pa.record_batch(arrays, schema=columns))


def _rows(report: Report) -> Iterator[tuple[Any, ...]]:
    for kpi in report.kpis:
        for series in kpi.series:
            lead = (kpi.id, kpi.version, kpi.unit, kpi.currency or None)
            of = (*lead, series.basis, series.dimension, series.dimension_value, report.grain)
            for point in series.points:
                figures = (point.value, kpi.target, point.numerator, point.denominator)
                counts = (point.sample_size, point.excluded, point.open_cases, point.complete)
                yield (*of, point.start, point.end, *figures, *counts)


def _about(report: Report) -> dict[str, Any]:
    return {
        "report": report.id,
        "title": report.title,
        "tenant": report.tenant,
        "start": report.start.isoformat(),
        "end": report.end.isoformat(),
        "grain": report.grain,
        "timezone": report.timezone,
        "generated_at": report.generated_at.isoformat(),
        "data_through": report.data_through.isoformat() if report.data_through else None,
        "definitions": [
            {
                "id": kpi.id,
                "version": kpi.version,
                "name": kpi.name,
                "question": kpi.question,
                "unit": kpi.unit,
                "direction": kpi.direction,
                "stream": kpi.stream,
                "target": kpi.target,
                "currency": kpi.currency,
                "lines": [list(line) for line in kpi.definition],
            }
            for kpi in report.kpis
        ],
    }
