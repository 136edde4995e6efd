"""The demo client as a process of its own: `python -m demo --endpoint http://127.0.0.1:4318`.

A client in the server's process would compete with it for the interpreter's lock. The workflow engine's signing secret
comes in the environment variable DEMO_ENGINE_SECRET, never on the command line.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from contextlib import ExitStack
from pathlib import Path

from core import OpsintelError, configure_logging
from demo.engine import WorkflowEngine
from demo.progress import ConsoleProgress
from demo.runner import run_demo_client


def main() -> int:
    """Back-fills, then runs live until SIGTERM; exit status 1 when the server did not take the back-fill."""
    parser = argparse.ArgumentParser(prog="demo", description="the simulated retailer, an OTLP client")
    parser.add_argument("--endpoint", required=True, help="http://host:port or grpc://host:port")
    parser.add_argument("--days", type=float, default=14)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--truth", type=Path, help="where the truth of the planted incidents is written")
    parser.add_argument("--engine-port", type=int, default=0)
    parser.add_argument("--no-live", action="store_true")
    options = parser.parse_args()
    configure_logging("console", "WARNING")
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    secret = os.environ.get("DEMO_ENGINE_SECRET", "")
    with ExitStack() as stack:
        engine = stack.enter_context(WorkflowEngine(secret, options.engine_port)) if secret else None
        progress = stack.enter_context(ConsoleProgress())
        try:
            run_demo_client(
                options.endpoint,
                options.days,
                options.seed,
                stop,
                options.truth,
                not options.no_live,
                progress,
                engine=engine,
            )
        except OpsintelError as error:
            print(f"demo: {error}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
