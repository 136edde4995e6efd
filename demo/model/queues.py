"""Queues between systems and in front of people: a producer, a waiting line, workers, a consumer, and a gate.

Work goes `gate -> PRODUCER span -> line -> worker -> CONSUMER span`. A closed gate (a paused edge) holds work back
before it is produced, so the line behind it runs empty while the producer's cases wait.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass

from demo.model.facts import Kind, Ref
from demo.model.kernel import Gate, Kernel, Station, Waitable
from demo.model.recorder import Case, Recorder
from metrics import conventions as c


@dataclass(frozen=True, slots=True)
class Message:
    """Work in the hands of a consumer: where it was produced, the consumer's span, and when work began."""

    case: Case | None
    step: str
    produced: Ref
    consumer: Ref
    start: int


class Queue:
    """A named queue. `workers(at)` is how many consumers work at a time; 0 stalls it."""

    def __init__(
        self,
        kernel: Kernel,
        recorder: Recorder,
        system: str,
        name: str,
        producer: str,
        consumer: str,
        workers: Callable[[int], int],
        gate: Gate,
    ) -> None:
        self.system = system
        self.name = name
        self.producer = producer
        self.consumer = consumer
        self.station = Station(kernel, workers)
        self._kernel = kernel
        self._recorder = recorder
        self._gate = gate
        self._where = {c.MESSAGING_SYSTEM: system, c.MESSAGING_DESTINATION: name}

    def pass_over(self, case: Case | None, parent: Ref, step: str = "") -> Generator[float | Waitable, None, Message]:
        """A process: produces the message, waits for a worker, returns the message in the worker's hands."""
        yield self._gate
        sent = self._kernel.now
        attributes = {**self._where, c.MESSAGING_OPERATION: "send"}
        if self.producer != self.consumer:
            attributes |= {c.PEER_SERVICE: self.consumer, c.EDGE: c.edge(self.producer, self.consumer)}
        produced = self._recorder.span(
            case,
            self.producer,
            f"send {self.name}",
            Kind.PRODUCER,
            sent,
            sent + 4_000_000,
            parent=parent,
            step=step,
            attributes=attributes,
        )
        yield 0.005
        yield self.station
        return Message(case, step, produced, self._recorder.ref(produced), self._kernel.now)

    def done(self, message: Message, error: str = "") -> None:
        """The consumer is finished with the message, now; its worker is free."""
        self._recorder.span(
            message.case,
            self.consumer,
            f"process {self.name}",
            Kind.CONSUMER,
            message.start,
            max(self._kernel.now, message.start + 1_000_000),
            ref=message.consumer,
            parent=message.produced,
            step=message.step,
            attributes={**self._where, c.MESSAGING_OPERATION: "process"},
            error=error,
            links=(message.produced,),
        )
        self.station.leave()

    def measure(self) -> None:
        """Writes down depth and age, and lets the line move where a shift has begun."""
        self.station.pump()
        now, owner = self._kernel.now, self.consumer
        self._recorder.gauge(owner, c.QUEUE_DEPTH, "{item}", float(self.station.depth), now, self._where)
        self._recorder.gauge(owner, c.QUEUE_OLDEST_AGE, "s", round(self.station.oldest_age(), 3), now, self._where)


class HumanQueue(Queue):
    """Work that waits for people: no messages travel, so it is measured like a queue but leaves no messaging spans."""

    def wait(self) -> Generator[float | Waitable, None, int]:
        """A process: waits for somebody and returns when that was; the caller leaves the station itself."""
        yield self.station
        return self._kernel.now
