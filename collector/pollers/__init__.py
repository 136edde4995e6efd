"""Queue-depth pollers: they ask queue systems how much waits, and store the answers as metrics.

Sources are RabbitMQ, Redis, Kafka, SQL tables and HTTP/JSON; docs/pollers.md tells how to set them up. A source that
does not answer makes a gap, never a zero.
"""

from collector.pollers.check import Checked, check_pollers
from collector.pollers.config import load_pollers
from collector.pollers.readings import PollFailed, QueueReading, Reason
from collector.pollers.runner import PollerStatus, Submit
from collector.pollers.service import Pollers
from collector.pollers.state import Phase

__all__ = [
    "Checked",
    "Phase",
    "PollFailed",
    "PollerStatus",
    "Pollers",
    "QueueReading",
    "Reason",
    "Submit",
    "check_pollers",
    "load_pollers",
]
