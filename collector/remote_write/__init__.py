"""Prometheus remote write 1.0 and 2.0 as OTLP metrics; docs/remote-write.md tells what becomes of what."""

from collector.remote_write.door import RemoteWriteDoor
from collector.remote_write.queues import QueueMetrics, load_queue_metrics

__all__ = ["QueueMetrics", "RemoteWriteDoor", "load_queue_metrics"]
