"""The queue systems, one module each; `open_source` makes the one that a poller names.

Making a source reads its credentials and its files and connects to nothing. A kind's client library is imported when
the first poller of that kind is made, so that nobody pays for what he does not use.
"""

from __future__ import annotations

from collector.pollers.environment import Environment
from collector.pollers.models import AnyPoller, HttpJson, Kafka, RabbitMq, Redis, Sql
from collector.pollers.readings import Source
from core.clock import Clock

__all__ = ["open_source", "server_of"]


def open_source(poller: AnyPoller, environment: Environment, clock: Clock) -> Source:
    """Raises ConfigurationError when a credential or a file is missing."""
    match poller:
        case RabbitMq():
            from collector.pollers.sources.rabbitmq import RabbitMqSource

            return RabbitMqSource(poller, environment)
        case Redis():
            from collector.pollers.sources.redis_queues import RedisSource

            return RedisSource(poller, environment)
        case Kafka():
            from collector.pollers.sources.kafka import KafkaSource

            return KafkaSource(poller, environment)
        case Sql():
            from collector.pollers.sources.sql import SqlSource

            return SqlSource(poller, environment, clock)
        case HttpJson():
            from collector.pollers.sources.http_json import HttpJsonSource

            return HttpJsonSource(poller, environment)


def server_of(poller: AnyPoller) -> str:
    """The host that a poller's queues live on, '' where the environment names it."""
    from urllib.parse import urlsplit

    match poller:
        case RabbitMq() | HttpJson():
            return urlsplit(poller.url).hostname or ""
        case Redis():
            return poller.host
        case Kafka():
            return poller.bootstrap[0].rpartition(":")[0]
        case Sql():
            return ""
