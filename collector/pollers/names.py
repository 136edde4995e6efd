"""The names of what pollers write, in one place.

The queue names are the product's conventions, repeated because the rooms do not know each other; a test holds them
equal to `metrics.conventions`. The poller names are this package's own.
"""

from __future__ import annotations

from typing import Final

# --- attributes of a queue's points ---
SYSTEM: Final = "messaging.system"
DESTINATION: Final = "messaging.destination.name"
CONSUMER_GROUP: Final = "messaging.consumer.group.name"
PARTITION: Final = "messaging.destination.partition.id"

# --- metrics of a queue, all gauges ---
DEPTH: Final = "retail.queue.depth"
OLDEST_AGE: Final = "retail.queue.oldest_age"
IN_FLIGHT: Final = "retail.queue.in_flight"
OLDEST_IN_FLIGHT_AGE: Final = "retail.queue.oldest_in_flight_age"
CONSUMERS: Final = "retail.queue.consumers"
PUBLISH_RATE: Final = "retail.queue.publish_rate"
DELIVER_RATE: Final = "retail.queue.deliver_rate"
PARTITION_DEPTH: Final = "retail.queue.partition_depth"

# --- a poller's own health, as telemetry; the same on /metrics has underscores ---
POLLER: Final = "opsintel.poller.name"
KIND: Final = "opsintel.poller.kind"
REASON: Final = "error.type"
UP: Final = "opsintel.poller.up"
LAST_SUCCESS: Final = "opsintel.poller.last_success"
DURATION: Final = "opsintel.poller.duration"
FAILURES: Final = "opsintel.poller.failures"

SCOPE: Final = "opsintel.pollers"
SERVICE: Final = "opsintel"
SERVER: Final = "server.address"
