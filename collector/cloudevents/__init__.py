"""CloudEvents 1.0 over HTTP as business events; docs/cloudevents.md tells what becomes of each of their parts."""

from collector.cloudevents.door import CloudEventsDoor
from collector.cloudevents.event import CloudEvent, InvalidEvent
from collector.cloudevents.rules import AnyEvent, EventRules

__all__ = ["AnyEvent", "CloudEvent", "CloudEventsDoor", "EventRules", "InvalidEvent"]
