"""A document of JSON behind a URL: single queues at pointers, or a list with an element for each queue.

A pointer that leads nowhere, or to null, is not known and makes a gap. Anything that is no number where a number is
wanted is a problem of that queue, and the other queues stand.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from collector.pollers.environment import Environment
from collector.pollers.json_pointer import Missing, resolve
from collector.pollers.models import Fields, HttpJson, QueueList
from collector.pollers.moments import moment
from collector.pollers.readings import Deadline, Polled, PollFailed, QueueReading, Reason, age, number
from collector.pollers.selection import matches
from collector.pollers.sources.http_client import JsonClient


class HttpJsonSource:
    """One URL."""

    def __init__(self, config: HttpJson, environment: Environment) -> None:
        self._config = config
        self._url = config.url or environment.url(config.url_env, config.name, "url_env")
        secret = {
            header: environment.secret(variable, config.name, f"headers_env.{header}")
            for header, variable in config.headers_env.items()
        }
        self._http = JsonClient(headers={**config.headers, **secret}, tls=config, poller=config.name)

    def poll(self, now: datetime, deadline: Deadline) -> Polled:
        document = self._http.get(self._url, deadline)
        readings: list[QueueReading] = []
        problems: list[str] = []
        for destination, element, fields in self._queues(document, problems):
            try:
                readings.append(self._reading(destination, element, fields, now))
            except ValueError as problem:
                problems.append(f"{destination}: {problem}")
        if self._config.each is not None:
            named = {reading.destination for reading in readings}
            readings += [
                QueueReading(self._config.system, self._config.prefix + name, 0.0, 0.0)
                for name in self._config.each.expected
                if self._config.prefix + name not in named and not any(one.startswith(f"{name}: ") for one in problems)
            ]
        return Polled(tuple(readings), tuple(problems))

    def close(self) -> None:
        self._http.close()

    def _queues(self, document: object, problems: list[str]) -> Iterator[tuple[str, object, Fields]]:
        for one in self._config.queue:
            yield one.destination, document, one
        if self._config.each is not None:
            yield from self._listed(document, self._config.each, problems)

    def _listed(self, document: object, each: QueueList, problems: list[str]) -> Iterator[tuple[str, object, Fields]]:
        try:
            items = resolve(document, each.items)
        except Missing as missing:
            raise PollFailed(
                Reason.ANSWER, f"the answer has nothing at {str(missing)!r}", hint="check each.items"
            ) from None
        if isinstance(items, dict):
            pairs = [(name, element) for name, element in items.items()]
        elif isinstance(items, list) and each.name:
            pairs = [(_name(element, each.name), element) for element in items]
        else:
            hint = "an array needs each.name" if isinstance(items, list) else "it must be an array or an object"
            raise PollFailed(Reason.ANSWER, f"the answer's {each.items!r} cannot be read as queues", hint=hint)
        taken = 0
        for name, element in pairs:
            if name is None:
                problems.append(f"an element has no text at {each.name!r}")
            elif matches(name, each.queues, each.exclude):
                taken += 1
                if taken > self._config.max_queues:
                    raise PollFailed(
                        Reason.TOO_MUCH, f"more than {self._config.max_queues} queues match",
                        hint="narrow each.queues, or raise max_queues",
                    )  # fmt: skip
                yield name, element, each

    def _reading(self, destination: str, element: object, fields: Fields, now: datetime) -> QueueReading:
        depth = _number(element, fields.depth, "depth")
        if depth is None:
            raise ValueError(f"no depth at {fields.depth!r}")
        oldest = _number(element, fields.oldest_age, "oldest_age") if fields.oldest_age else None
        if fields.oldest_at:
            oldest = age(now, _moment(element, fields.oldest_at))
        if oldest is None and depth == 0:
            oldest = 0.0
        return QueueReading(
            system=self._config.system,
            destination=self._config.prefix + destination,
            depth=depth,
            oldest_age_s=oldest,
            in_flight=_number(element, fields.in_flight, "in_flight") if fields.in_flight else None,
            consumers=_number(element, fields.consumers, "consumers") if fields.consumers else None,
        )


def _name(element: object, pointer: str) -> str | None:
    try:
        name = resolve(element, pointer)
    except Missing:
        return None
    return name if isinstance(name, str) and name else None


def _number(element: object, pointer: str, what: str) -> float | None:
    try:
        value = resolve(element, pointer)
    except Missing:
        return None
    if value is None:
        return None
    found = number(value)
    if found is None:
        raise ValueError(f"{what} must be a number of 0 or more, got {str(value)[:40]!r}")
    return found


def _moment(element: object, pointer: str) -> datetime | None:
    try:
        value = resolve(element, pointer)
    except Missing:
        return None
    found = moment(value)
    if value is not None and found is None:
        raise ValueError(f"oldest_at must be a time with an offset or a Unix time, got {str(value)[:40]!r}")
    return found
