"""Pollers on a whole way in: a real log, a real writer, the real engine, and the read models that pages use."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from prometheus_client import CollectorRegistry

from collector import Collector
from collector.pollers import Pollers
from core import Settings, SystemClock
from metrics import QueueDepth, queue_depths
from storage import ClickHouse, StateDb
from tests.servers.processes import eventually


class Installation:
    """`text` is the pollers' file; `{tenant}` in it stands for the test's tenant."""

    def __init__(
        self,
        text: str,
        environ: dict[str, str],
        settings: Settings,
        ch: ClickHouse,
        state: StateDb,
        tenant: str,
        folder: Path,
    ) -> None:
        file = folder / "pollers.toml"
        file.write_text(text.replace("{tenant}", tenant))
        self.clock, self.registry = SystemClock(), CollectorRegistry()
        self.ch, self.tenant = ch, tenant
        settings = settings.model_copy(update={"pollers_file": file})
        self.collector = Collector(settings, self.clock, ch, state, self.registry)
        self.collector.start(None)
        self.pollers = Pollers(settings, self.collector.submit, self.clock, self.registry, environ=environ)

    def poll(self) -> None:
        """One poll of each, stored."""
        for runner in self.pollers._runners:
            runner.run_once()
        assert self.collector.flush()

    def queues(self) -> dict[str, QueueDepth]:
        """What the queue page reads, by destination (and group)."""
        found = queue_depths(self.ch, self.tenant, self.clock.now() + timedelta(seconds=1), timedelta(hours=1))
        return {one.destination + (f" {one.consumer_group}" if one.consumer_group else ""): one for one in found}

    def points(self, name: str) -> dict[str, float]:
        """The latest stored value of a metric, by destination (and group), or by the poller's name."""
        rows = self.ch.query(
            "SELECT Attributes['messaging.destination.name'] || Attributes['opsintel.poller.name'] AS Of,"
            " Attributes['messaging.consumer.group.name'] AS Group, argMax(Value, TimeUnix)"
            " FROM otel_metrics_gauge WHERE TenantId = {tenant:String} AND MetricName = {name:String}"
            " GROUP BY Of, Group",
            {"tenant": self.tenant, "name": name},
        ).rows
        return {f"{of} {group}".strip(): float(value) for of, group, value in rows}

    def sample(self, name: str, **labels: str) -> float | None:
        """A number on /metrics."""
        return self.registry.get_sample_value(name, labels)

    def until(self, queue: str, depth: float) -> QueueDepth:
        """Polls until the queue has the depth, because servers renew their numbers from time to time."""

        def there() -> bool:
            self.poll()
            found = self.queues().get(queue)
            return found is not None and found.depth == depth

        eventually(there, 20, f"{queue} with a depth of {depth:g}", every_s=0.7)  # RabbitMQ renews its every 5 s
        return self.queues()[queue]

    def close(self) -> None:
        self.pollers.stop()
        self.collector.stop()
