"""Memory does not grow with the file, whatever the format: many more events, about the same peak."""

from __future__ import annotations

import gc
import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from collector.importers import build_mapping, import_file
from core import ManualClock

LESS, MORE = 10_000, 25_000
SLACK = 1.2


def _csv(path: Path, rows: int) -> None:
    with path.open("w") as file:
        file.write("case,step,time\n")
        file.writelines(f"{n % 50},a,2020-01-01T00:00:00Z\n" for n in range(rows))


def _xes(path: Path, rows: int) -> None:
    """One trace, whose case id is known, with starts that wait for their completions."""
    with path.open("w") as file:
        file.write('<log><trace><string key="concept:name" value="1"/>')
        for n in range(rows):
            life = "start" if n % 2 == 0 else "complete"
            file.write(
                f'<event><string key="concept:name" value="a"/><date key="time:timestamp" value="2020-01-01"/>'
                f'<string key="lifecycle:transition" value="{life}"/><string key="note" value="{n}"/></event>\n'
            )
        file.write("</trace></log>")


def _json(path: Path, rows: int) -> None:
    with path.open("w") as file:
        file.write('{"objects": [{"id": "o", "type": "order"}], "events": [')
        for n in range(rows):
            related = [{"objectId": "o", "qualifier": ""}]
            event = {"id": f"e{n}", "type": "a", "time": "2020-01-01T00:00:00Z", "relationships": related}
            file.write(("," if n else "") + json.dumps(event))
        file.write("]}")


FORMATS: dict[str, tuple[Callable[[Path, int], None], dict[str, Any]]] = {
    "csv": (_csv, {"columns": {"case": "case", "activity": "step", "timestamp": "time"}}),
    "xes": (_xes, {"lifecycle": "pairs"}),
    "ocel-json": (_json, {"case_object": "order"}),
}


@pytest.mark.parametrize("kind", FORMATS)
def test_memory_does_not_grow_with_the_file(tmp_path: Path, clock: ManualClock, kind: str) -> None:
    write, options = FORMATS[kind]
    mapping = build_mapping(stream="s", kind=kind, **options)
    peaks = []
    for rows in (LESS, MORE):
        path = tmp_path / f"log{rows}"
        write(path, rows)
        gc.collect()
        tracemalloc.start()
        try:
            report = import_file(
                path, mapping, lambda *_: None, clock=clock, quarantine=tmp_path, kind=kind, batch_records=500
            )
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
        assert report.rejected == 0
    assert peaks[1] < peaks[0] * SLACK, peaks
