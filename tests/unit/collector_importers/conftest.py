"""A sink that keeps and decodes what it was given, and a short way to import a text."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from collector.importers import ColumnMapping, ImportReport, import_file
from core import ManualClock


@dataclass
class KeptEvents:
    """A sink; `records` are flat dictionaries in the order they came."""

    batches: list[int] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    records: list[dict[str, Any]] = field(default_factory=list)

    def __call__(self, payload: bytes, items: int) -> None:
        self.batches.append(items)
        self.sizes.append(len(payload))
        for group in ExportLogsServiceRequest.FromString(payload).resource_logs:
            (service,) = group.resource.attributes
            assert service.key == "service.name"
            for record in group.scope_logs[0].log_records:
                keys = [a.key for a in record.attributes]
                assert len(keys) == len(set(keys)), "an attribute is there twice"
                self.records.append(
                    {a.key: a.value.string_value for a in record.attributes}
                    | {
                        "service.name": service.value.string_value,
                        "name": record.event_name,
                        "time": record.time_unix_nano,
                        "body": record.body.string_value,
                    }
                )

    def ids(self) -> list[str]:
        return [record["retail.event.id"] for record in self.records]


SIMPLE = {"stream": "s", "columns": {"case": "case", "activity": "step", "timestamp": "time"}}


@pytest.fixture
def kept() -> KeptEvents:
    return KeptEvents()


@pytest.fixture
def simple() -> dict[str, Any]:
    """The mapping of a file with the columns case, step and time."""
    return {"stream": "s", "columns": dict(SIMPLE["columns"])}


Load = Callable[..., ImportReport]


@pytest.fixture
def load(tmp_path: Path, clock: ManualClock, kept: KeptEvents) -> Load:
    """Writes the content to a file and imports it into `kept`."""

    def run(
        content: bytes | str, mapping: dict[str, Any] | None = None, name: str = "log.csv", **kwargs: Any
    ) -> ImportReport:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        checked = ColumnMapping.model_validate(mapping or SIMPLE)
        return import_file(path, checked, kept, clock=clock, quarantine=tmp_path / "quarantine", **kwargs)

    return run
