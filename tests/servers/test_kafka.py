"""Consumer lag from a broker that speaks Kafka's protocol (Tansu, not Apache Kafka itself)."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from collector.pollers.environment import Environment
from collector.pollers.models import Kafka
from collector.pollers.readings import Deadline, Polled, PollFailed, Reason
from collector.pollers.sources.kafka import KafkaSource
from core import SystemClock
from tests.servers.polling import Installation
from tests.support.ports import free_port

Install = Callable[..., Installation]


class Cluster:
    """A client that makes topics, messages and commits."""

    def __init__(self, port: int) -> None:
        self.options = {"bootstrap.servers": f"127.0.0.1:{port}", "log_level": 0}
        self.admin = AdminClient(self.options)

    def topic(self, name: str, partitions: int, messages: int, stamp: int = 0) -> None:
        for future in self.admin.create_topics([NewTopic(name, partitions, 1)]).values():
            future.result(10)
        producer = Producer(self.options)
        for number in range(messages):
            producer.produce(name, b"%d" % number, partition=number % partitions, timestamp=stamp)
            assert producer.flush(10) == 0

    def commit(self, group: str, *places: tuple[str, int, int]) -> None:
        consumer = Consumer({**self.options, "group.id": group, "enable.auto.commit": False})
        consumer.commit(offsets=[TopicPartition(*place) for place in places], asynchronous=False)
        consumer.close()


def poll(port: int, seconds: float = 10.0, **values: object) -> Polled:
    config = Kafka.model_validate(
        {"name": "bus", "kind": "kafka", "bootstrap": [f"127.0.0.1:{port}"], "timeout_s": seconds, **values}
    )
    source = KafkaSource(config, Environment({}))
    try:
        return source.poll(datetime.now(UTC), Deadline(SystemClock(), seconds))
    finally:
        source.close()


def test_the_lag_of_groups_reaches_the_page(kafka_port: int, install: Install) -> None:
    """Two groups on one topic are two queues; a group that is done has none waiting."""
    cluster = Cluster(kafka_port)
    cluster.topic("orders", 2, 10, stamp=int((time.time() - 300) * 1000))
    cluster.commit("shipping", ("orders", 0, 2), ("orders", 1, 5))
    cluster.commit("billing", ("orders", 0, 5), ("orders", 1, 5))
    installation = install(
        f"""
        [[poller]]
        name = "bus"
        kind = "kafka"
        tenant = "{{tenant}}"
        bootstrap = ["127.0.0.1:{kafka_port}"]
        groups = ["shipping", "billing"]
        topics = ["orders"]
        per_partition = true
        """
    )
    installation.poll()
    queues = installation.queues()
    assert {name: one.depth for name, one in queues.items()} == {"orders shipping": 3.0, "orders billing": 0.0}
    assert queues["orders shipping"].oldest_age_s == pytest.approx(300, abs=60)
    assert queues["orders billing"].oldest_age_s == 0.0
    assert queues["orders shipping"].system == "kafka"
    assert set(installation.points("retail.queue.partition_depth")) == {"orders shipping", "orders billing"}


def test_groups_and_topics_are_chosen(kafka_port: int) -> None:
    """Groups at different offsets of one partition each get their own age; nothing is ever committed."""
    cluster = Cluster(kafka_port)
    cluster.topic("chosen", 1, 4)
    cluster.topic("other", 1, 1)
    cluster.commit("choice-1", ("chosen", 0, 1), ("other", 0, 0))
    cluster.commit("choice-2", ("chosen", 0, 3))
    polled = poll(kafka_port, groups=["choice-*"], topics=["*"], exclude_topics=["other"])
    assert {(one.destination, one.group): one.depth for one in polled.readings} == {
        ("chosen", "choice-1"): 3.0,
        ("chosen", "choice-2"): 1.0,
    }
    assert all(one.oldest_age_s is not None for one in polled.readings)
    asked = cluster.admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions("choice-1")])["choice-1"]
    assert {(one.topic, one.offset) for one in asked.result(10).topic_partitions} == {("chosen", 1), ("other", 0)}
    groups = cluster.admin.list_consumer_groups().result().valid
    assert "opsintel-poller" not in {one.group_id for one in groups}
    without = poll(kafka_port, groups=["choice-2"], oldest_age=False)
    assert [one.oldest_age_s for one in without.readings] == [None]


def test_brokers_that_are_away(kafka_port: int) -> None:
    began = time.monotonic()
    with pytest.raises(PollFailed) as caught:
        poll(free_port(), seconds=1.0)
    assert caught.value.reason in (Reason.TIMEOUT, Reason.UNREACHABLE)
    assert time.monotonic() - began < 4


def test_no_group_is_no_queue(kafka_port: int) -> None:
    assert poll(kafka_port, groups=["nobody"]).readings == ()
