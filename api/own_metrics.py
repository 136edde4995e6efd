"""`/metrics` of all processes: the receivers leave theirs in files, and they are shown with the lane they write.

A file that was not renewed lately is of a receiver that is gone, and is left out.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.parser import text_string_to_metric_families

STALE_S = 15.0


class AllProcesses:
    """Looks like a registry to the exposition; `folder` is where the receivers leave their metrics."""

    def __init__(self, own: CollectorRegistry, folder: Path) -> None:
        self._own, self._folder = own, folder

    def collect(self) -> Iterator[Metric]:
        """The own families, each followed by the receivers' samples of it, then those that only receivers have."""
        others = self._read()
        for family in self._own.collect():
            merged = Metric(family.name, family.documentation, family.type, family.unit)
            merged.samples = [
                *family.samples,
                *(sample for one in others.pop(family.name, []) for sample in one.samples),
            ]
            yield merged
        for families in others.values():
            merged = Metric(families[0].name, families[0].documentation, families[0].type)
            merged.samples = [sample for one in families for sample in one.samples]
            yield merged

    def _read(self) -> dict[str, list[Metric]]:
        found: dict[str, list[Metric]] = {}
        for file in sorted(self._folder.glob("*.prom")):
            try:
                if time.time() - file.stat().st_mtime > STALE_S:
                    continue
                text = file.read_text()
            except OSError:
                continue
            for family in text_string_to_metric_families(text):
                one = Metric(family.name, family.documentation, family.type)
                one.samples = [
                    sample._replace(labels=sample.labels | {"lane": file.stem})
                    for sample in family.samples
                    if not sample.name.endswith("_created")
                ]
                found.setdefault(family.name, []).append(one)
        return found

    def render(self) -> bytes:
        """The text of the exposition."""
        return generate_latest(self)
