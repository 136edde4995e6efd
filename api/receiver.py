"""A receiver process: OTLP in, a lane of the log out. It needs no engine and knows nothing of jobs and pages.

Its supervisor writes the settings as one line of JSON to its standard input and keeps that open; when it is closed, be
it that the supervisor died, the receiver stops as on SIGTERM: doors first, then the log. It tells on standard output,
in one line, when its doors are open. `python -m api.receiver` is not meant to be called by hand.
"""

from __future__ import annotations

import gc

if __name__ == "__main__":
    gc.disable()  # until everything is loaded, see api.cli

import os
import signal
import sys
import threading
from pathlib import Path

import orjson
from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.exposition import generate_latest

from api.authentication import make_authenticator
from api.collecting import open_collector
from api.key_usage import KeyUsage
from core import OpsintelError, Settings, SystemClock, configure_logging, get_logger, load_settings
from storage import open_state

log = get_logger("api.receiver")
METRICS_EVERY_S = 1.0
STDIN = 0


def metrics_folder(settings: Settings) -> Path:
    """Where receivers leave their own metrics for the process that is scraped."""
    return settings.data_dir.absolute() / "receivers"


def main() -> int:
    """Runs until standard input ends or SIGTERM comes; returns the exit status."""
    gc.freeze()
    gc.enable()
    stop = threading.Event()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the supervisor decides
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    line = _order()
    if not line.strip():
        return 0
    order = orjson.loads(line)
    settings = load_settings(**order["settings"])
    configure_logging(settings.log_format, settings.log_level)
    try:
        _run(settings, float(order["share"]), stop)
    except OpsintelError as error:
        print(orjson.dumps({"error": error.message, "hint": error.hint}).decode(), flush=True)
        return 2
    return 0


def _run(settings: Settings, share: float, stop: threading.Event) -> None:
    clock, registry = SystemClock(), CollectorRegistry(auto_describe=True)
    ProcessCollector(registry=registry)
    state = open_state(settings)
    usage = KeyUsage(state, clock)
    collector = open_collector(settings, clock, None, state, registry, share=share)
    try:
        usage.start()
        collector.start(make_authenticator(settings, state, clock, usage).headers, shared_ports=True)
        lane = collector.log.lane
        print(orjson.dumps({"lane": lane}).decode(), flush=True)
        threading.Thread(target=_until_closed, args=(stop,), name="stdin", daemon=True).start()
        folder = metrics_folder(settings)
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / f"{lane:02d}.prom"
        while not stop.wait(METRICS_EVERY_S):
            _write(file, generate_latest(registry))
        file.unlink(missing_ok=True)
    finally:
        collector.stop()
        usage.stop()
        state.close()


def _order() -> bytes:
    """The first line of standard input, read without a buffer that a thread could hold at the end."""
    line = b""
    while not line.endswith(b"\n"):
        piece = os.read(STDIN, 65_536)
        if not piece:
            return b""
        line += piece
    return line


def _until_closed(stop: threading.Event) -> None:
    while os.read(STDIN, 4096):
        pass
    stop.set()


def _write(file: Path, text: bytes) -> None:
    try:
        draft = file.with_suffix(".new")
        draft.write_bytes(text)
        draft.rename(file)
    except OSError as error:
        log.warning("metrics could not be left for the scrape", error=str(error))


if __name__ == "__main__":
    sys.exit(main())
