"""Polls every source once and says what would be stored, or what is wrong: `opsintel pollers check`."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from collector.pollers.environment import Environment
from collector.pollers.models import AnyPoller
from collector.pollers.readings import Deadline, PollFailed, QueueReading
from collector.pollers.runner import unique
from collector.pollers.sources import open_source
from core.clock import Clock
from core.errors import OpsintelError


@dataclass(frozen=True)
class Checked:
    """One poller's answer. `error` and `hint` are '' when it works; `problems` are about single queues."""

    name: str
    kind: str
    seconds: float
    readings: tuple[QueueReading, ...] = ()
    problems: tuple[str, ...] = ()
    error: str = ""
    hint: str = ""


def check_pollers(pollers: Sequence[AnyPoller], clock: Clock, environ: Mapping[str, str]) -> list[Checked]:
    """One poll of each enabled poller, all at once, in their order. Raises nothing but for mistakes of ours."""
    environment = Environment(environ)
    enabled = [poller for poller in pollers if poller.enabled]
    found: dict[str, Checked] = {}

    def work(poller: AnyPoller) -> None:
        found[poller.name] = _once(poller, environment, clock)

    threads = [threading.Thread(target=work, args=(poller,), daemon=True) for poller in enabled]
    for thread in threads:
        thread.start()
    end = time.monotonic() + max((poller.timeout_s for poller in enabled), default=0.0) + 2.0
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))
    return [
        found.get(poller.name)
        or Checked(
            poller.name, poller.kind, poller.timeout_s, error="it hangs", hint="its time-out has passed; look at it"
        )
        for poller in enabled
    ]


def _once(poller: AnyPoller, environment: Environment, clock: Clock) -> Checked:
    began = clock.monotonic()

    def checked(**values: object) -> Checked:
        return Checked(poller.name, poller.kind, clock.monotonic() - began, **values)  # type: ignore[arg-type]

    try:
        source = open_source(poller, environment, clock)
        try:
            polled = source.poll(clock.now(), Deadline(clock, poller.timeout_s))
            problems = tuple(environment.redact(one) for one in polled.problems)
            return checked(readings=unique(polled.readings), problems=problems)
        finally:
            source.close()
    except PollFailed as problem:
        error = f"{problem.reason.value}: {problem.message}"
        return checked(error=environment.redact(error), hint=environment.redact(problem.hint))
    except OpsintelError as problem:
        return checked(error=environment.redact(problem.message), hint=environment.redact(problem.hint))
    except Exception as problem:  # the rim: it is shown, and the other pollers are checked all the same
        return checked(error=environment.redact(f"an unexpected {problem!r}"), hint="this is a mistake in the product")
