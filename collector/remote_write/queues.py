"""Which metrics of existing exporters are queue depths: a table, with defaults for the exporters people have.

A series that the table names is stored as it is, and once more as `retail.queue.depth` (or what else its row measures)
with the broker and the queue as attributes, which is what the product reads. It converts no units.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from core import ConfigurationError

MEASURES = {
    "depth": ("retail.queue.depth", "{item}"),
    "oldest_age": ("retail.queue.oldest_age", "s"),
    "in_flight": ("retail.queue.in_flight", "{item}"),
}
_TOP_KEYS = {"defaults", "queues", "without"}
_KEYS = {"metric", "system", "destination", "group", "omit", "where", "measure"}


@dataclass(frozen=True)
class QueueMetric:
    """One row: the labels in `destination` name the queue, joined by a slash; values in `omit` are left out.

    `group` is the label that names the consumer group whose backlog it is, empty where the system has none.
    A series without the last of these labels, or whose labels do not match the patterns of `where`, is not meant.
    """

    metric: str
    system: str
    destination: tuple[str, ...]
    group: str = ""
    omit: frozenset[str] = frozenset()
    where: Mapping[str, str] = field(default_factory=dict)
    measure: str = "depth"

    def queue_of(self, labels: Mapping[str, str]) -> str:
        """The queue's name, empty when the series is not meant."""
        if not labels.get(self.destination[-1]):
            return ""
        if any(not fnmatchcase(labels.get(name, ""), pattern) for name, pattern in self.where.items()):
            return ""
        parts = [labels.get(name, "") for name in self.destination]
        return "/".join(part for part in parts if part and part not in self.omit)


DEFAULTS: tuple[QueueMetric, ...] = (
    # RabbitMQ's own plugin: /metrics/per-object, or queue_coarse_metrics of /metrics/detailed
    QueueMetric("rabbitmq_queue_messages", "rabbitmq", ("vhost", "queue"), omit=frozenset({"/"})),
    QueueMetric("rabbitmq_detailed_queue_messages", "rabbitmq", ("vhost", "queue"), omit=frozenset({"/"})),
    # redis_exporter with --check-keys or --check-single-keys, and --check-streams
    QueueMetric("redis_key_size", "redis", ("db", "key"), omit=frozenset({"db0"})),
    QueueMetric("redis_stream_group_lag", "redis", ("db", "stream"), "group", frozenset({"db0"})),
    # kafka_exporter, and kafka-lag-exporter; both also have a series for each partition, which is no queue of its own
    QueueMetric("kafka_consumergroup_lag_sum", "kafka", ("topic",), "consumergroup"),
    QueueMetric("kafka_consumergroup_group_topic_sum_lag", "kafka", ("topic",), "group"),
)


@dataclass(frozen=True)
class Depth:
    """A queue's number in a series: the product's metric and its unit, the broker, the queue, its consumer group."""

    metric: str
    unit: str
    system: str
    queue: str
    group: str = ""


class QueueMetrics:
    """The table, looked up for every series."""

    def __init__(self, rows: Iterable[QueueMetric] = DEFAULTS) -> None:
        self._rows: dict[str, list[QueueMetric]] = {}
        for row in rows:
            self._rows.setdefault(row.metric, []).append(row)

    def find(self, name: str, labels: Mapping[str, str]) -> Depth | None:
        """What the series says about a queue; None when it says nothing. The first row that matches counts."""
        for row in self._rows.get(name, ()):
            queue = row.queue_of(labels)
            if queue:
                metric, unit = MEASURES[row.measure]
                return Depth(metric, unit, row.system, queue, labels.get(row.group, ""))
        return None


def load_queue_metrics(path: Path | None) -> QueueMetrics:
    """The defaults, with the rows of a TOML file before them; a metric that the file names has no default any more.

    `without` in the file names defaults to leave out, `defaults = false` leaves out all of them. Raises
    ConfigurationError that names the row and the key.
    """
    if path is None:
        return QueueMetrics()
    try:
        data = tomllib.loads(path.read_text("utf-8"))
    except OSError as problem:
        raise ConfigurationError(f"the queue metrics file {path} cannot be read: {problem.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
        raise ConfigurationError(f"{path} is not valid TOML: {problem}") from None
    if unknown := sorted(set(data) - _TOP_KEYS):
        raise ConfigurationError(f"{path} has unknown key {unknown[0]!r}; known are {', '.join(sorted(_TOP_KEYS))}")
    rows, defaults = data.get("queues", []), data.get("defaults", True)
    if not isinstance(rows, list) or not isinstance(defaults, bool):
        raise ConfigurationError(f"{path}: queues must be a list of tables, and defaults true or false")
    without, known = data.get("without", []), {row.metric for row in DEFAULTS}
    if not isinstance(without, list) or not all(isinstance(name, str) and name in known for name in without):
        raise ConfigurationError(f"{path}: without must list metrics among {', '.join(sorted(known))}, got {without!r}")
    own = [_row(entry, f"{path}: queue {number}") for number, entry in enumerate(rows, 1)]
    named = {row.metric for row in own} | set(without)
    return QueueMetrics([*own, *(row for row in DEFAULTS if defaults and row.metric not in named)])


def _row(entry: Any, where: str) -> QueueMetric:
    if not isinstance(entry, dict):
        raise ConfigurationError(f"{where} must be a table")
    if unknown := sorted(set(entry) - _KEYS):
        raise ConfigurationError(f"{where} has unknown key {unknown[0]!r}; known are {', '.join(sorted(_KEYS))}")
    for key in ("metric", "system"):
        if not isinstance(entry.get(key), str) or not entry[key]:
            raise ConfigurationError(f"{where}: {key} must be text, got {entry.get(key)!r}")
    for key, least in (("destination", 1), ("omit", 0)):
        texts = entry.get(key, [])
        if not isinstance(texts, list) or len(texts) < least or not all(isinstance(text, str) for text in texts):
            raise ConfigurationError(f"{where}: {key} must be a list of texts, got {texts!r}")
    patterns = entry.get("where", {})
    if not isinstance(patterns, dict) or not all(isinstance(pattern, str) for pattern in patterns.values()):
        raise ConfigurationError(f"{where}: where must be a table of label = pattern, got {patterns!r}")
    group = entry.get("group", "")
    if not isinstance(group, str):
        raise ConfigurationError(f"{where}: group must be text, got {group!r}")
    measure = entry.get("measure", "depth")
    if not isinstance(measure, str) or measure not in MEASURES:
        raise ConfigurationError(f"{where}: measure must be one of {', '.join(MEASURES)}, got {measure!r}")
    return QueueMetric(
        entry["metric"],
        entry["system"],
        tuple(entry["destination"]),
        group,
        frozenset(entry.get("omit", ())),
        patterns,
        measure,
    )
