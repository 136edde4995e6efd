"""The room's public face changes on purpose only."""

from __future__ import annotations

import collector.importers


def test_public_names() -> None:
    assert collector.importers.__all__ == [
        "KINDS",
        "Advance",
        "ColumnMapping",
        "HttpSink",
        "ImportReport",
        "Progress",
        "Rejection",
        "Resumption",
        "Sink",
        "build_mapping",
        "detect",
        "import_file",
        "log_sink",
        "stored_in",
    ]
    assert all(hasattr(collector.importers, name) for name in collector.importers.__all__)
