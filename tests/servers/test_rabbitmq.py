"""RabbitMQ's own answers, from real queues to the page that shows them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import httpx
import pika
import pytest
from pika.adapters.blocking_connection import BlockingChannel

from collector.pollers.readings import Reason
from tests.servers.polling import Installation
from tests.servers.processes import Server, eventually

Install = Callable[..., Installation]

FILE = """
[defaults]
tenant = "{tenant}"
timeout_s = 10

[[poller]]
name = "broker"
kind = "rabbitmq"
url = "http://127.0.0.1:PORT"
username = "guest"
password_env = "RABBIT_PASSWORD"
MORE
"""
SECRET = {"RABBIT_PASSWORD": "guest"}


def file(server: Server, more: str = "") -> str:
    return FILE.replace("PORT", str(server.port)).replace("MORE", more)


class Broker:
    """A client that makes queues and messages."""

    def __init__(self, server: Server) -> None:
        self.api = httpx.Client(base_url=f"http://127.0.0.1:{server.port}", auth=("guest", "guest"), trust_env=False)
        self.connection = pika.BlockingConnection(
            pika.ConnectionParameters("127.0.0.1", int(server.values["amqp"]), heartbeat=0)
        )
        self.channel: BlockingChannel = self.connection.channel()
        self.made: list[str] = []

    def queue(self, name: str, messages: int, stamp: int | None = None) -> None:
        self.channel.queue_declare(name, durable=True)
        self.made.append(name)
        for number in range(messages):
            self.channel.basic_publish("", name, b"%d" % number, pika.BasicProperties(timestamp=stamp))

    def close(self) -> None:
        if self.channel.is_open:
            for name in self.made:
                self.channel.queue_delete(name)
        self.connection.close()
        self.api.close()


@pytest.fixture
def broker(rabbitmq: Server) -> Iterator[Broker]:
    client = Broker(rabbitmq)
    yield client
    client.close()


def test_queues_reach_the_page(rabbitmq: Server, broker: Broker, install: Install) -> None:
    """Ready, held and consumed messages, and the age of the oldest by its publisher's time."""
    broker.queue("orders", 5, stamp=int(time.time()) - 600)
    broker.queue("refunds", 3)
    broker.queue("empty", 0)
    held = [broker.channel.basic_get("refunds", auto_ack=False)]
    installation = install(file(rabbitmq, 'exclude = ["amq.*"]'), SECRET)
    assert held
    orders = installation.until("orders", 5.0)
    assert orders.system == "rabbitmq"
    assert orders.oldest_age_s == pytest.approx(600, abs=30)
    refunds = installation.until("refunds", 2.0)
    assert refunds.oldest_age_s is None, "nobody stamped the messages, so their age is not known"
    assert installation.until("empty", 0.0).oldest_age_s == 0.0
    assert installation.points("retail.queue.in_flight") == {"orders": 0.0, "refunds": 1.0, "empty": 0.0}
    assert installation.points("retail.queue.consumers")["orders"] == 0.0
    assert installation.points("opsintel.poller.up") == {"broker": 1.0}
    assert installation.sample("opsintel_poller_up", poller="broker", kind="rabbitmq") == 1.0
    assert installation.sample("opsintel_poller_queues", poller="broker", kind="rabbitmq") == 3.0


def test_a_consumer_and_the_rates_are_seen(rabbitmq: Server, broker: Broker, install: Install) -> None:
    broker.channel.basic_qos(prefetch_count=2)
    broker.queue("picked", 6)
    broker.channel.basic_consume("picked", lambda *_: None, auto_ack=False)
    broker.connection.process_data_events(0.2)
    installation = install(file(rabbitmq, 'queues = ["picked"]'), SECRET)
    installation.until("picked", 4.0)
    eventually(lambda: _polled(installation, "retail.queue.consumers") == {"picked": 1.0})
    assert installation.points("retail.queue.in_flight") == {"picked": 2.0}
    assert set(installation.points("retail.queue.publish_rate")) == {"picked"}


def _polled(installation: Installation, name: str) -> dict[str, float]:
    installation.poll()
    return installation.points(name)


def test_many_queues_come_in_pages(rabbitmq: Server, broker: Broker, install: Install) -> None:
    """Five queues in pages of two; patterns take and leave."""
    for number in range(5):
        broker.queue(f"page.{number}", number)
    installation = install(
        file(rabbitmq, 'queues = ["page.*"]\nexclude = ["page.3"]\npage_size = 2\nprefix = "eu:"'), SECRET
    )
    installation.until("eu:page.4", 4.0)
    assert set(installation.queues()) == {"eu:page.0", "eu:page.1", "eu:page.2", "eu:page.4"}


def test_virtual_hosts_are_told_apart(rabbitmq: Server, broker: Broker, install: Install) -> None:
    """A host that is named is asked for alone, its queues carry its name."""
    broker.api.put("/api/vhosts/shop%2Feu").raise_for_status()
    broker.api.put("/api/permissions/shop%2Feu/guest", json={"configure": ".*", "write": ".*", "read": ".*"})
    broker.api.put("/api/queues/shop%2Feu/orders", json={"durable": True}).raise_for_status()
    broker.queue("orders", 1)
    installation = install(file(rabbitmq, 'vhosts = ["shop/eu", "/"]\nqueues = ["orders"]'), SECRET)
    installation.until("shop/eu/orders", 0.0)
    installation.until("orders", 1.0)
    broker.api.delete("/api/vhosts/shop%2Feu").raise_for_status()
    (runner,) = installation.pollers._runners
    state = runner.run_once()
    assert state.reason is Reason.NOT_FOUND
    assert "shop%2Feu" in state.message


def test_a_queue_that_vanishes_stops_reporting(rabbitmq: Server, broker: Broker, install: Install) -> None:
    broker.queue("seasonal", 2)
    installation = install(file(rabbitmq, 'queues = ["seasonal"]'), SECRET)
    installation.until("seasonal", 2.0)
    broker.channel.queue_delete("seasonal")
    eventually(lambda: _gone(installation))
    last = installation.queues()["seasonal"]
    assert last.depth == 2.0, "the last word stands; nobody said that the queue is empty"


def _gone(installation: Installation) -> bool:
    installation.poll()
    return installation.sample("opsintel_poller_queues", poller="broker", kind="rabbitmq") == 0.0


@pytest.mark.parametrize(
    ("user", "secret"),
    [("guest", "wrong-password"), ("clerk", "clerk-pass")],
    ids=["wrong password", "a user without the tag monitoring"],
)
def test_refused_credentials(rabbitmq: Server, broker: Broker, install: Install, user: str, secret: str) -> None:
    """The message names neither the password nor its encoded form."""
    broker.api.put("/api/users/clerk", json={"password": "clerk-pass", "tags": ""}).raise_for_status()
    text = file(rabbitmq).replace('"guest"', f'"{user}"')
    installation = install(text, {"RABBIT_PASSWORD": secret})
    (runner,) = installation.pollers._runners
    state = runner.run_once()
    assert state.reason is Reason.CREDENTIALS
    assert secret not in state.message
    assert installation.collector.flush()
    assert installation.points("opsintel.poller.up") == {"broker": 0.0}
    assert installation.points("retail.queue.depth") == {}
    assert installation.sample("opsintel_poller_up", poller="broker", kind="rabbitmq") == 0.0
    labels = {"poller": "broker", "kind": "rabbitmq", "reason": "credentials"}
    assert installation.sample("opsintel_poller_failures_total", **labels) == 1.0


def test_the_limit_fails_the_poll(rabbitmq: Server, broker: Broker, install: Install) -> None:
    """Some queues of many would look like all of them."""
    for number in range(3):
        broker.queue(f"many.{number}", 0)
    installation = install(file(rabbitmq, 'queues = ["many.*"]\nmax_queues = 2'), SECRET)
    (runner,) = installation.pollers._runners
    assert runner.run_once().reason is Reason.TOO_MUCH
