"""Which series are queue depths, by the defaults and by a file, and what a wrong file is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from collector.remote_write.queues import Depth, load_queue_metrics
from core import ConfigurationError

DEPTH = ("retail.queue.depth", "{item}")


@pytest.mark.parametrize(
    ("name", "labels", "system", "queue", "group"),
    [
        ("rabbitmq_queue_messages", {"vhost": "/", "queue": "orders"}, "rabbitmq", "orders", ""),
        ("rabbitmq_queue_messages", {"vhost": "eu", "queue": "orders"}, "rabbitmq", "eu/orders", ""),
        ("rabbitmq_detailed_queue_messages", {"vhost": "/", "queue": "orders"}, "rabbitmq", "orders", ""),
        ("redis_key_size", {"db": "db0", "key": "jobs"}, "redis", "jobs", ""),
        ("redis_key_size", {"db": "db3", "key": "jobs"}, "redis", "db3/jobs", ""),
        ("redis_stream_group_lag", {"db": "db0", "stream": "s", "group": "g"}, "redis", "s", "g"),
        ("kafka_consumergroup_lag_sum", {"topic": "t", "consumergroup": "g"}, "kafka", "t", "g"),
        ("kafka_consumergroup_group_topic_sum_lag", {"topic": "t", "group": "g"}, "kafka", "t", "g"),
    ],
)
def test_defaults(name: str, labels: dict[str, str], system: str, queue: str, group: str) -> None:
    assert load_queue_metrics(None).find(name, labels) == Depth(*DEPTH, system, queue, group)


def test_a_sum_over_all_queues_is_no_queue() -> None:
    """RabbitMQ's /metrics has the name without the label."""
    assert load_queue_metrics(None).find("rabbitmq_queue_messages", {}) is None
    assert load_queue_metrics(None).find("up", {"queue": "orders"}) is None


def test_a_file_comes_before_the_defaults(tmp_path: Path) -> None:
    """A metric it names has no default any more; the others keep theirs."""
    file = tmp_path / "queues.toml"
    file.write_text(
        """
        [[queues]]
        metric = "redis_key_size"
        system = "redis"
        destination = ["key"]
        where = { key = "queue:*" }
        [[queues]]
        metric = "sqs_oldest_seconds"
        system = "aws_sqs"
        destination = ["queue"]
        measure = "oldest_age"
        """
    )
    found = load_queue_metrics(file)
    assert found.find("redis_key_size", {"db": "db0", "key": "queue:mail"}) == Depth(*DEPTH, "redis", "queue:mail")
    assert found.find("redis_key_size", {"db": "db0", "key": "session"}) is None
    age = Depth("retail.queue.oldest_age", "s", "aws_sqs", "q")
    assert found.find("sqs_oldest_seconds", {"queue": "q"}) == age
    assert found.find("rabbitmq_queue_messages", {"queue": "q"}) == Depth(*DEPTH, "rabbitmq", "q")
    file.write_text('without = ["rabbitmq_queue_messages"]')
    assert load_queue_metrics(file).find("rabbitmq_queue_messages", {"queue": "q"}) is None
    assert load_queue_metrics(file).find("redis_key_size", {"key": "q"})
    file.write_text("defaults = false")
    assert load_queue_metrics(file).find("rabbitmq_queue_messages", {"queue": "q"}) is None


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("x", "is not valid TOML"),
        ("queue = []", "unknown key 'queue'"),
        ('without = ["rabbitmq_queue_mesages"]', "without must list metrics among"),
        ("without = [[1]]", "without must list metrics among"),
        (
            '[[queues]]\nmetric = "m"\nsystem = "s"\ndestination = ["q"]\nmeasure = []',
            "must be one of depth, oldest_age, in_flight",
        ),
        ("queues = 5", "queues must be a list"),
        ("queues = [5]", "queue 1 must be a table"),
        ('[[queues]]\nmetric = "m"', "queue 1: system must be text, got None"),
        ('[[queues]]\nmetric = "m"\nsystem = "s"', "queue 1: destination must be a list of texts"),
        ('[[queues]]\nmetric = "m"\nsystem = "s"\ndestination = []', "queue 1: destination must be a list of texts"),
        ('[[queues]]\nmetric = "m"\nsystem = "s"\ndestination = ["q"]\nwhere = 1', "queue 1: where must be a table"),
        (
            '[[queues]]\nmetric = "m"\nsystem = "s"\ndestination = ["q"]\nmeasure = "age"',
            "must be one of depth, oldest_age, in_flight",
        ),
        ('[[queues]]\nmetric = "m"\nsystem = "s"\ndestination = ["q"]\nunit = "s"', "unknown key 'unit'"),
    ],
    ids=range(13),
)
def test_a_wrong_file(text: str, reason: str, tmp_path: Path) -> None:
    file = tmp_path / "queues.toml"
    file.write_text(text)
    with pytest.raises(ConfigurationError) as problem:
        load_queue_metrics(file)
    assert reason in str(problem.value)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load_queue_metrics(tmp_path / "none.toml")
