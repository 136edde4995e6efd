"""The room's public face changes on purpose only."""

from __future__ import annotations

import collector.importers


def test_public_names() -> None:
    assert collector.importers.__all__ == [
        "ColumnMapping",
        "HttpSink",
        "ImportReport",
        "Progress",
        "Rejection",
        "Sink",
        "build_mapping",
        "import_file",
    ]
    assert all(hasattr(collector.importers, name) for name in collector.importers.__all__)
