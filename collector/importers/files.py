"""Finds out by its first bytes what a file is, takes its checksum, and opens it as a table.

The checksum is that of the uncompressed content, so `log.csv` and `log.csv.gz` name the same events; taking it first
also means that a damaged archive is refused before anything of it has gone in. A file that changes while it is read
is not noticed.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, cast

from collector.importers.csv_rows import CsvTable
from collector.importers.mapping import ColumnMapping
from collector.importers.parquet_rows import ParquetTable
from collector.importers.rows import Table
from core.errors import InvalidInput, NotFound, UnsupportedMedia

_GZIP, _PARQUET = b"\x1f\x8b", b"PAR1"
_NOT_OURS = {
    b"PK\x03\x04": "a ZIP archive or an Excel workbook",
    b"<?xml": "XML (an XES log?)",
    b"<log": "XML (an XES log?)",
    b"SQLite format 3": "an SQLite database",
    b"(\xb5/\xfd": "compressed with Zstandard",
    b"BZh": "compressed with bzip2",
    b"\xfd7zXZ": "compressed with xz",
}
_CHUNK = 1 << 20


def checksum(path: Path) -> str:
    """SHA-256 of the uncompressed content, in hex. Raises NotFound, UnsupportedMedia or InvalidInput."""
    digest = hashlib.sha256()
    with _content(path) as content:
        first = content.read(_CHUNK)
        _refuse_foreign(path, first)
        digest.update(first)
        while chunk := content.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def open_table(path: Path, mapping: ColumnMapping) -> Table:
    """Opens what `checksum` has accepted. Raises InvalidInput for a file without a readable header."""
    with _content(path) as content:
        first = content.read(16)
    if first.startswith(_PARQUET):
        return ParquetTable(path)
    if first.startswith((b"\xff\xfe", b"\xfe\xff")) and mapping.encoding.startswith("utf-8"):
        raise InvalidInput(f"{path.name}: is UTF-16 text, not {mapping.encoding}", hint='set encoding = "utf-16"')
    raw = path.open("rb")
    content_stream = gzip.GzipFile(fileobj=raw) if _is_gzip(path) else raw
    text = io.TextIOWrapper(
        cast(IO[bytes], content_stream), encoding=mapping.encoding, errors="surrogateescape", newline=""
    )
    delimiter = mapping.delimiter or ("\t" if path.name.removesuffix(".gz").lower().endswith(".tsv") else ",")
    try:
        return CsvTable(text, raw, path.stat().st_size, delimiter, path.name, mapping.encoding)
    except BaseException:
        text.close()
        raw.close()
        raise


@contextlib.contextmanager
def _content(path: Path) -> Iterator[IO[bytes]]:
    """The uncompressed bytes; errors of the file and of the archive become ours."""
    try:
        with path.open("rb") as raw:
            if _is_gzip(path):
                with gzip.GzipFile(fileobj=raw) as content:
                    yield cast(IO[bytes], content)
            else:
                yield raw
    except FileNotFoundError:
        raise NotFound(f"there is no file {str(path)!r}") from None
    except IsADirectoryError:
        raise InvalidInput(f"{str(path)!r} is a folder, not a file") from None
    except (EOFError, gzip.BadGzipFile, zlib.error) as problem:
        raise InvalidInput(f"{path.name}: the gzip archive is damaged, nothing was imported: {problem}") from None
    except OSError as problem:
        raise InvalidInput(f"{str(path)!r} cannot be read: {problem.strerror}") from None


def _is_gzip(path: Path) -> bool:
    with path.open("rb") as raw:
        return raw.read(2) == _GZIP


def _refuse_foreign(path: Path, first: bytes) -> None:
    if first.startswith(_PARQUET) and _is_gzip(path):
        raise UnsupportedMedia(f"{path.name}: is Parquet inside gzip", hint="unpack it first")
    start = first.removeprefix(b"\xef\xbb\xbf").lstrip()
    for magic, what in _NOT_OURS.items():
        if start.startswith(magic):
            raise UnsupportedMedia(f"{path.name}: is {what}; CSV, CSV.gz and Parquet can be imported")
