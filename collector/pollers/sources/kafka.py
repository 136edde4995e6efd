"""Kafka: the lag of consumer groups, by topic, and the age of the oldest message they have not finished.

The groups' committed offsets and the partitions' ends come from the admin protocol. They are not read in one instant,
so a lag can be off by what arrives in between, and never below 0. For the age one message is read where a partition is
behind; nothing is joined, and nothing is ever committed. Where a message cannot be read in time, the age is a gap.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from confluent_kafka import (
    TIMESTAMP_NOT_AVAILABLE,
    Consumer,
    ConsumerGroupTopicPartitions,
    KafkaError,
    KafkaException,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._listoffsets import OffsetSpec

from collector.pollers.environment import Environment
from collector.pollers.models import Kafka
from collector.pollers.readings import Deadline, Polled, PollFailed, QueueReading, Reason, age
from collector.pollers.selection import matches
from collector.pollers.sources.kafka_lag import Offsets, Partition, TopicLag, topic_lags

GROUP = "opsintel-poller"
"""The client demands a name; nothing is ever committed under it."""
AGES_S = 3.0
"""At most so much of a poll's time goes into reading messages for their age."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CREDENTIALS = {KafkaError._AUTHENTICATION, KafkaError.SASL_AUTHENTICATION_FAILED}
_FORBIDDEN = {
    KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
}
_SPECS: tuple[OffsetSpec, OffsetSpec] = (OffsetSpec.earliest(), OffsetSpec.latest())  # type: ignore[no-untyped-call]
_AWAY = {KafkaError._ALL_BROKERS_DOWN, KafkaError._TRANSPORT, KafkaError._RESOLVE, KafkaError.COORDINATOR_NOT_AVAILABLE}


class KafkaSource:
    """One cluster."""

    def __init__(self, config: Kafka, environment: Environment) -> None:
        self._config = config
        self._options: dict[str, Any] = {
            "bootstrap.servers": ",".join(config.bootstrap),
            "client.id": "opsintel",
            "security.protocol": config.security,
            "log_level": 0,  # the library writes to standard error; failures come back as errors as well
            "socket.timeout.ms": max(1_000, int(config.timeout_s * 1000)),
        }
        if config.password_env:
            user = config.username
            if config.username_env:
                user = environment.secret(config.username_env, config.name, "username_env")
            self._options |= {
                "sasl.mechanism": config.sasl_mechanism,
                "sasl.username": user,
                "sasl.password": environment.secret(config.password_env, config.name, "password_env"),
            }
        for option, file in (
            ("ssl.ca.location", config.ca_file),
            ("ssl.certificate.location", config.cert_file),
            ("ssl.key.location", config.key_file),
        ):
            if file is not None:
                self._options[option] = str(file)
        self._admin: AdminClient | None = None

    def poll(self, now: datetime, deadline: Deadline) -> Polled:
        with self._translated(deadline):
            if self._admin is None:
                self._admin = AdminClient(self._options)
            problems: list[str] = []
            committed = self._committed(self._admin, deadline, problems)
            wanted = {one for offsets in committed.values() for one in offsets}
            offsets = self._offsets(self._admin, wanted, deadline, problems)
        lags = [lag for group in sorted(committed) for lag in topic_lags(group, committed[group], offsets)]
        if len(lags) > self._config.max_queues:
            raise PollFailed(
                Reason.TOO_MUCH, f"more than {self._config.max_queues} groups and topics match",
                hint="narrow groups or topics, or raise max_queues",
            )  # fmt: skip
        ages = self._ages(lags, now, deadline) if self._config.oldest_age else {}
        return Polled(tuple(self._reading(lag, ages) for lag in lags), tuple(problems))

    def close(self) -> None:
        self._admin = None

    # --- what the cluster is asked ---

    def _committed(
        self, admin: AdminClient, deadline: Deadline, problems: list[str]
    ) -> dict[str, dict[Partition, int]]:
        config = self._config
        listed = _wait(admin.list_consumer_groups(request_timeout=deadline.left()), deadline)
        if listed.errors and not listed.valid:
            raise KafkaException(listed.errors[0])  # no broker answered, which is not the same as no groups
        problems += [f"a broker did not list its groups: {error}" for error in listed.errors]
        names = [one.group_id for one in listed.valid if matches(one.group_id, config.groups, config.exclude_groups)]
        found: dict[str, dict[Partition, int]] = {}
        asked = {
            name: admin.list_consumer_group_offsets(
                [ConsumerGroupTopicPartitions(name)], request_timeout=deadline.left()
            )[name]
            for name in sorted(names)
        }
        for name, future in asked.items():
            try:
                answer = _wait(future, deadline)
            except KafkaException as problem:
                if problem.args[0].code() not in _FORBIDDEN:
                    raise
                problems.append(f"group {name}: the user may not describe it")
                continue
            found[name] = {
                (one.topic, one.partition): one.offset
                for one in answer.topic_partitions
                if one.error is None and matches(one.topic, config.topics, config.exclude_topics)
            }
        return found

    def _offsets(
        self, admin: AdminClient, wanted: set[Partition], deadline: Deadline, problems: list[str]
    ) -> dict[Partition, Offsets]:
        if not wanted:
            return {}
        ends: list[dict[Partition, int]] = []
        for spec in _SPECS:
            request = {TopicPartition(topic, partition): spec for topic, partition in sorted(wanted)}
            asked = admin.list_offsets(request, request_timeout=deadline.left())
            one_end: dict[Partition, int] = {}
            for place, future in asked.items():
                try:
                    one_end[place.topic, place.partition] = _wait(future, deadline).offset
                except KafkaException as problem:
                    if problem.args[0].code() in _AWAY | _CREDENTIALS | {KafkaError._TIMED_OUT}:
                        raise
                    problems.append(f"{place.topic}[{place.partition}]: {problem.args[0].str()}")
            ends.append(one_end)
        starts, latest = ends
        return {one: Offsets(starts[one], latest[one]) for one in starts.keys() & latest.keys()}

    # --- ages ---

    def _ages(self, lags: list[TopicLag], now: datetime, deadline: Deadline) -> dict[tuple[str, int, int], float]:
        """The age of the message at each offset that a group reads next; those that came in time."""
        places = {(lag.topic, partition, offset) for lag in lags for partition, offset in lag.behind.items()}
        found: dict[tuple[str, int, int], float] = {}
        if not places:
            return found
        consumer = Consumer(
            {
                **self._options,
                "group.id": GROUP,
                "enable.auto.commit": False,
                "auto.offset.reset": "error",
                "fetch.message.max.bytes": 65_536,
                "queued.max.messages.kbytes": 1_024,
            }
        )
        try:
            until = deadline.within(AGES_S)
            # A partition can be assigned once, so groups that stand at different offsets take turns.
            while places and _is_left(until):
                turn = {(topic, partition): offset for topic, partition, offset in sorted(places, reverse=True)}
                places -= {(topic, partition, offset) for (topic, partition), offset in turn.items()}
                self._read(consumer, turn, now, until, found)
        except (KafkaException, PollFailed):
            return found
        finally:
            consumer.close()
        return found

    def _read(
        self,
        consumer: Consumer,
        turn: Mapping[Partition, int],
        now: datetime,
        until: Deadline,
        found: dict[tuple[str, int, int], float],
    ) -> None:
        places = [TopicPartition(topic, partition, offset) for (topic, partition), offset in turn.items()]
        consumer.assign(places)
        consumer.resume(places)  # the client remembers what was paused in the turn before
        waiting = dict(turn)
        while waiting and _is_left(until):
            message = consumer.poll(min(0.25, until.left()))
            if message is None or message.error() is not None:
                continue
            topic, partition = message.topic(), message.partition()
            if topic is None or partition is None:
                continue
            offset = waiting.pop((topic, partition), None)
            if offset is None:
                continue
            consumer.pause([TopicPartition(topic, partition)])
            kind, milliseconds = message.timestamp()
            if kind != TIMESTAMP_NOT_AVAILABLE and milliseconds > 0:
                seconds = age(now, _EPOCH + timedelta(milliseconds=milliseconds))
                if seconds is not None:
                    found[topic, partition, offset] = seconds

    # --- answers ---

    def _reading(self, lag: TopicLag, ages: Mapping[tuple[str, int, int], float]) -> QueueReading:
        known = [ages.get((lag.topic, partition, offset)) for partition, offset in lag.behind.items()]
        whole = [one for one in known if one is not None]
        oldest = 0.0 if lag.lag == 0 else None
        if whole and len(whole) == len(known):
            oldest = max(whole)
        return QueueReading(
            system=self._config.system,
            destination=self._config.prefix + lag.topic,
            group=lag.group,
            depth=float(lag.lag),
            oldest_age_s=oldest,
            partitions=tuple((one, float(count)) for one, count in lag.partitions)
            if self._config.per_partition
            else (),
        )

    @contextmanager
    def _translated(self, deadline: Deadline) -> Iterator[None]:
        try:
            yield
        except KafkaException as problem:
            self._admin = None
            raise _failure(problem.args[0], ", ".join(self._config.bootstrap), deadline) from None
        except FutureTimeout:
            self._admin = None
            raise _late(deadline) from None


def _wait(future: Future[Any], deadline: Deadline) -> Any:
    return future.result(deadline.left() + 0.5)


def _is_left(deadline: Deadline) -> bool:
    try:
        return deadline.left() > 0
    except PollFailed:
        return False


def _late(deadline: Deadline) -> PollFailed:
    return PollFailed(
        Reason.TIMEOUT,
        f"the brokers did not answer within {deadline.seconds:g} s",
        hint="check bootstrap, and that the brokers' advertised addresses can be reached from here",
    )


def _failure(error: KafkaError, where: str, deadline: Deadline) -> PollFailed:
    code, text = error.code(), error.str()
    if code in _CREDENTIALS:
        return PollFailed(Reason.CREDENTIALS, f"{where} refused the credentials: {text}", hint="check the user")
    if code in _FORBIDDEN:
        return PollFailed(
            Reason.FORBIDDEN, f"{where} does not allow this: {text}",
            hint="the user needs DESCRIBE on groups and topics, and READ on topics for ages",
        )  # fmt: skip
    if code == KafkaError._SSL:
        return PollFailed(Reason.TLS, f"{where}: no safe connection: {text}", hint="check security and ca_file")
    if code in _AWAY:
        return PollFailed(Reason.UNREACHABLE, f"{where} cannot be reached: {text}", hint="check bootstrap and network")
    if code in (KafkaError._TIMED_OUT, KafkaError._TIMED_OUT_QUEUE, KafkaError.REQUEST_TIMED_OUT):
        return _late(deadline)
    return PollFailed(Reason.ANSWER, f"{where}: {text}")
