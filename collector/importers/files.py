"""Finds out by its first bytes what a file is, examines the whole of it once, and opens it as a table.

The checksum is that of the uncompressed content, so `log.csv` and `log.csv.gz` name the same events; taking it first
also means that a damaged archive and XML that is not well-formed are refused before anything of them has gone in.
"""

from __future__ import annotations

import contextlib
import csv
import gzip
import hashlib
import io
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final, cast

from collector.importers.csv_rows import CsvTable
from collector.importers.mapping import ColumnMapping
from collector.importers.ocel import OcelSource, OcelTable
from collector.importers.ocel_json import OcelJson
from collector.importers.ocel_sqlite import OcelSqlite
from collector.importers.ocel_xml import OcelXml
from collector.importers.rows import Table
from collector.importers.xes_rows import XesTable
from collector.importers.xml_reader import XmlReader
from core.errors import Conflict, InvalidInput, NotFound, UnsupportedMedia

KINDS: Final = ("csv", "parquet", "xes", "ocel-json", "ocel-xml", "ocel-sqlite")
"""What can be imported; `ocel` means whichever of the three the file is."""
_GZIP, _PARQUET, _SQLITE = b"\x1f\x8b", b"PAR1", b"SQLite format 3\0"
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_NOT_OURS = {
    b"PK\x03\x04": "a ZIP archive or an Excel workbook",
    b"(\xb5/\xfd": "compressed with Zstandard",
    b"BZh": "compressed with bzip2",
    b"\xfd7zXZ": "compressed with xz",
}
_OURS = "CSV, Parquet, XES and OCEL 2.0 (JSON, XML, SQLite) can be imported"
_OCEL_XML = re.compile(rb"<(object-types|event-types|objects|events)\b")
_XES = re.compile(rb"<([\w.-]+:)?log\b")
_DELIMITERS = ",;\t|"
_HEAD = 1 << 16
_CHUNK = 1 << 18


@dataclass(frozen=True)
class Examined:
    """A file as it was found; `checksum` is the SHA-256 of its uncompressed content, in hex."""

    path: Path
    kind: str
    checksum: str
    size: int
    """Bytes on the disk."""
    stamp: tuple[int, int, int]

    def unchanged(self) -> None:
        """Raises Conflict when the file is not the one that was examined any more."""
        try:
            now = _stamp(self.path)
        except OSError:
            now = (0, 0, 0)
        if now != self.stamp:
            raise Conflict(
                f"{self.path.name} has changed while it was imported; what was read before is in",
                hint="when it is complete, import it again with --restart",
            )


def detect(path: Path, wanted: str = "") -> str:
    """One of KINDS. `wanted` names one, or `ocel`, where the file does not tell; it is refused where the file does.

    Raises NotFound, UnsupportedMedia or InvalidInput.
    """
    if wanted and wanted not in {*KINDS, "ocel"}:
        raise InvalidInput(f"there is no format {wanted!r}", hint=f"there are {', '.join(KINDS)}")
    with _content(path) as content:
        found = _detect(path, content.read(_HEAD))
    if wanted and found != wanted and not (wanted == "ocel" and found.startswith("ocel-")):
        raise InvalidInput(f"{path.name}: is {found}, not {wanted}")
    return found


def examine(path: Path, wanted: str = "") -> Examined:
    """Reads the whole file once. Raises NotFound, UnsupportedMedia or InvalidInput."""
    kind = detect(path, wanted)
    stamp = _stamp(path)
    digest = hashlib.sha256()
    proof = XmlReader.prover(path.name) if kind in {"xes", "ocel-xml"} else None
    with _content(path) as content:
        while chunk := content.read(_CHUNK):
            digest.update(chunk)
            if proof:
                proof.feed(chunk)
        if proof:
            proof.feed(b"", True)
    return Examined(path, kind, digest.hexdigest(), stamp[0], stamp)


def open_table(file: Examined, mapping: ColumnMapping) -> Table:
    """Opens what `examine` has accepted. Raises InvalidInput for a file without a readable header."""
    path = file.path
    if file.kind == "parquet":
        from collector.importers.parquet_rows import ParquetTable  # Arrow takes long to load, and few want it

        return ParquetTable(path)
    if file.kind.startswith("ocel-"):
        return _ocel(file, mapping)
    with contextlib.ExitStack() as stack:
        raw = stack.enter_context(path.open("rb"))
        content = cast(IO[bytes], stack.enter_context(gzip.GzipFile(fileobj=raw)) if _is_gzip(path) else raw)
        table: Table
        if file.kind == "xes":
            table = XesTable(content, raw, file.size, mapping, path)
        else:
            table = _csv(path, content, raw, file.size, mapping)
        stack.pop_all()
        return table


def _ocel(file: Examined, mapping: ColumnMapping) -> OcelTable:
    path = file.path

    def reopen() -> tuple[IO[bytes], IO[bytes]]:
        raw = path.open("rb")
        return cast(IO[bytes], gzip.GzipFile(fileobj=raw)) if _is_gzip(path) else raw, raw

    source: OcelSource
    if file.kind == "ocel-sqlite":
        source = OcelSqlite(path)
    else:
        source = (OcelJson if file.kind == "ocel-json" else OcelXml)(reopen, file.size, path.name)
    try:
        return OcelTable(source, mapping, path.name)
    except BaseException:
        source.close()
        raise


def _csv(path: Path, content: IO[bytes], raw: IO[bytes], size: int, mapping: ColumnMapping) -> CsvTable:
    with _content(path) as start:
        marked = start.read(2) in _UTF16
    if marked and mapping.encoding.startswith("utf-8"):
        raise InvalidInput(f"{path.name}: is UTF-16 text, not {mapping.encoding}", hint='set encoding = "utf-16"')
    delimiter = mapping.delimiter or _delimiter(path, mapping)
    text = io.TextIOWrapper(content, encoding=mapping.encoding, errors="surrogateescape", newline="")
    try:
        return CsvTable(text, raw, size, delimiter, path.name, mapping.encoding)
    except BaseException:
        text.close()
        raise


def _delimiter(path: Path, mapping: ColumnMapping) -> str:
    """The first of the usual ones with which the header has all columns of the mapping; else what the name says."""
    usual: str = "\t" if path.name.removesuffix(".gz").lower().endswith(".tsv") else ","
    with _content(path) as start:
        text = start.read(_HEAD).decode(mapping.encoding, "replace").removeprefix("\ufeff")
    candidates: tuple[str, ...] = (usual, *_DELIMITERS)
    for one in candidates:
        with contextlib.suppress(csv.Error):
            header = next((cells for cells in csv.reader(io.StringIO(text, ""), delimiter=one) if cells), [])
            if mapping.named_columns <= set(header):
                return one
    return usual


def _detect(path: Path, first: bytes) -> str:
    if first.startswith((_PARQUET, _SQLITE)):
        if _is_gzip(path):
            what = "Parquet" if first.startswith(_PARQUET) else "SQLite"
            raise UnsupportedMedia(f"{path.name}: is {what} inside gzip", hint="unpack it first")
        return "parquet" if first.startswith(_PARQUET) else "ocel-sqlite"
    start = first.removeprefix(b"\xef\xbb\xbf").lstrip()
    if start.startswith(_UTF16):
        start = start.decode("utf-16", "ignore").encode()
    for magic, what in _NOT_OURS.items():
        if start.startswith(magic):
            raise UnsupportedMedia(f"{path.name}: is {what}; {_OURS}")
    if start.startswith(b"<"):
        if _OCEL_XML.search(start):
            return "ocel-xml"
        if _XES.search(start):
            return "xes"
        raise UnsupportedMedia(f"{path.name}: is XML, but neither XES nor OCEL 2.0; {_OURS}")
    if start.startswith(b"{"):
        if b'"ocel:global-log"' in start or b'"ocel:events"' in start:
            raise UnsupportedMedia(f"{path.name}: is OCEL 1.0", hint="convert it to OCEL 2.0 first")
        return "ocel-json"
    return "csv"


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


def _stamp(path: Path) -> tuple[int, int, int]:
    found = path.stat()
    return found.st_size, found.st_mtime_ns, found.st_ino
