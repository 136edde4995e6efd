"""The kinds of file that a report can become."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO

from core import InvalidInput
from kpis.exports.csv_file import write_csv
from kpis.exports.report import Report


@dataclass(frozen=True)
class ExportFormat:
    """name is the file's ending, too. write puts the whole report into a file that can be written from its start."""

    name: str
    media_type: str
    write: Callable[[Report, BinaryIO], None]


# Typesetting, Arrow and the maker of workbooks take long to load: those who want such a file wait for it, nobody else.
def _write_pdf(report: Report, file: BinaryIO) -> None:
    from kpis.exports.pdf import render_pdf

    file.write(render_pdf(report))


def _write_parquet(report: Report, file: BinaryIO) -> None:
    from kpis.exports.parquet_file import write_parquet

    write_parquet(report, file)


def _write_xlsx(report: Report, file: BinaryIO) -> None:
    from kpis.exports.xlsx import write_xlsx

    write_xlsx(report, file)


FORMATS = {
    one.name: one
    for one in (
        ExportFormat("xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", _write_xlsx),
        ExportFormat("csv", "text/csv; charset=utf-8; header=present", write_csv),
        ExportFormat("parquet", "application/vnd.apache.parquet", _write_parquet),
        ExportFormat("pdf", "application/pdf", _write_pdf),
    )
}


def format_named(name: str) -> ExportFormat:
    """Raises InvalidInput that names the formats."""
    if found := FORMATS.get(name.lower()):
        return found
    close = difflib.get_close_matches(name.lower(), FORMATS, 1)
    meant = f"did you mean {close[0]}? " if close else ""
    raise InvalidInput(f"there is no format {name[:40]!r}", hint=f"{meant}there are {', '.join(FORMATS)}")


def file_name(report: Report, kind: ExportFormat) -> str:
    """Of letters, digits, dots and hyphens alone: tenant, grain and the first and last day of the period."""
    tenant = re.sub(r"[^A-Za-z0-9]+", "-", report.tenant).strip("-")[:40] or "tenant"
    return f"kpis-{tenant}-{report.grain}-{report.start:%Y%m%d}-{report.end:%Y%m%d}.{kind.name}"
