"""All pollers of a process: made from the settings, started and stopped together.

With several processes on one installation, one of them polls: two would store every measurement twice.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Mapping
from contextlib import ExitStack

from prometheus_client import CollectorRegistry

from collector.pollers.config import load_pollers
from collector.pollers.environment import Environment
from collector.pollers.health import PollerMetrics
from collector.pollers.models import AnyPoller
from collector.pollers.runner import PollerRunner, PollerStatus, Submit
from collector.pollers.sources import open_source
from core.clock import Clock
from core.logs import get_logger
from core.settings import Settings

log = get_logger("pollers")
STOP_S = 1.5
"""How long a stop waits for polls under way; the service as a whole has little more."""


class Pollers:
    """Reads and checks the file when made (connecting to nothing); `start` begins, `stop` ends within two seconds.

    Without a file there are none, and every call does nothing. Raises ConfigurationError.
    """

    def __init__(
        self,
        settings: Settings,
        submit: Submit,
        clock: Clock,
        registry: CollectorRegistry,
        *,
        environ: Mapping[str, str] | None = None,
        luck: random.Random | None = None,
    ) -> None:
        pollers = load_pollers(settings.pollers_file) if settings.pollers_file else ()
        self._build(pollers, submit, clock, registry, os.environ if environ is None else environ, luck)

    def _build(
        self,
        pollers: tuple[AnyPoller, ...],
        submit: Submit,
        clock: Clock,
        registry: CollectorRegistry,
        environ: Mapping[str, str],
        luck: random.Random | None,
    ) -> None:
        environment = Environment(environ)
        metrics = PollerMetrics(registry)
        with ExitStack() as opened:  # a source that cannot be made must not leave the others open
            sources = []
            for poller in pollers:
                if poller.enabled:
                    source = open_source(poller, environment, clock)
                    opened.callback(source.close)
                    sources.append((poller, source))
            opened.pop_all()
        self._runners = tuple(
            PollerRunner(poller, source, submit, clock, metrics, environment, luck or random.Random())
            for poller, source in sources
        )

    def start(self) -> None:
        """Begins to poll."""
        for runner in self._runners:
            runner.start()
        if self._runners:
            log.info("pollers started", pollers=[runner.poller.name for runner in self._runners])

    def stop(self, deadline_s: float = STOP_S) -> bool:
        """Ends them; False when one hangs in a poll, which is then left behind."""
        for runner in self._runners:
            runner.stop()
        end = time.monotonic() + deadline_s
        left = [one.poller.name for one in self._runners if not one.join(end - time.monotonic())]
        if left:
            log.warning("pollers were left in the middle of a poll", pollers=left)
        return not left

    def status(self) -> list[PollerStatus]:
        """How each poller stands, in the order of the file."""
        return [runner.status() for runner in self._runners]
