"""`opsintel demo`: the service in this process, the simulated retailer and its workflow engine in another.

The retailer is an ordinary OTLP client; the only thing it shares with the service is a signing secret, as a real
workflow engine would. The demo starts on an empty data directory, because a second retailer in the same tables would
reuse the first one's order numbers.
"""

from __future__ import annotations

import base64
import os
import secrets
import shutil
import socket
import subprocess
import sys
from pathlib import Path

from api.serve import serve
from api.services import Services
from core import Conflict, Settings, SystemClock
from demo.engine import control_targets

MARK = "demo-truth.json"
STOP_S = 5.0


def run_demo(settings: Settings, *, days: int, seed: int, live: bool, fresh: bool) -> None:
    """Blocks until the process is told to stop. Raises Conflict when the directory holds other data."""
    folder = settings.data_dir.absolute()
    _empty(folder, fresh)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MARK).write_text("{}\n")  # marks the directory as the demo's before anything is in it
    secret = "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
    port = _free_port()
    targets = folder / "demo-control.toml"
    targets.write_text(control_targets(f"http://127.0.0.1:{port}"))
    configured = settings.model_copy(update={"control_file": targets, "control_secret": secret})
    children: list[subprocess.Popen[bytes]] = []

    def start_client(services: Services, api_port: int) -> None:
        command = [sys.executable, "-m", "demo", "--days", str(days), "--seed", str(seed)]
        command += ["--endpoint", f"http://127.0.0.1:{services.otlp_http_port}"]
        command += ["--truth", str(folder / MARK), "--engine-port", str(port)]
        command += [] if live else ["--no-live"]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("OPSINTEL_")}
        children.append(subprocess.Popen(command, env=environment | {"DEMO_ENGINE_SECRET": secret}))
        print(
            f"\n  opsintel is at {settings.scheme}://{settings.http_host}:{api_port}/  (stop with Ctrl-C)\n", flush=True
        )

    def stop_client() -> None:
        while children:
            child = children.pop()
            child.terminate()
            try:
                child.wait(STOP_S)
            except subprocess.TimeoutExpired:
                child.kill()

    try:
        serve(configured, SystemClock(), start_client, stop_client)
    finally:
        stop_client()


def _empty(folder: Path, fresh: bool) -> None:
    """Makes sure that nothing is in the directory; removes only what a demo has left there."""
    if not folder.exists() or not any(folder.iterdir()):
        return
    if not (folder / MARK).exists():
        raise Conflict(
            f"{folder} holds data that is not the demo's", hint="set OPSINTEL_DATA_DIR to an empty directory"
        )
    if not fresh:
        raise Conflict(f"{folder} holds an earlier demo", hint="add --fresh to remove it and start again")
    from api.lock import data_directory

    with data_directory(folder):  # not under a demo that still runs
        pass
    shutil.rmtree(folder)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
