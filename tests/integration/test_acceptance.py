"""The black-box checks that live beside the project, run as they are against the product as it is started."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.served import environment, serving

SHARED = Path(os.environ.get("OPSINTEL_SHARED", Path(__file__).parents[3] / "shared"))
CHECKS = SHARED / "acceptance"

pytestmark = [
    pytest.mark.acceptance,
    pytest.mark.blackbox,
    pytest.mark.skipif(
        not CHECKS.is_dir(), reason="the shared acceptance checks are not beside the project; set OPSINTEL_SHARED"
    ),
]


def run(script: str, *arguments: str, folder: Path) -> str:
    """The script's output; a failed check fails the test with the lines that say so."""
    done = subprocess.run(
        [sys.executable, str(CHECKS / script), *arguments],
        env=environment(folder),
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    bad = [line for line in done.stdout.splitlines() if line.startswith("FAIL")]
    assert done.returncode == 0, "\n".join(bad) or done.stderr[-2000:]
    return done.stdout


@pytest.mark.timeout(600)
def test_otlp_conformance(tmp_path: Path) -> None:
    """Every answer on the wire and every stored column, as the OTLP specification and the exporter's tables say.

    Some 150 of the checks push one request and wait until it can be read: with the usual second until a segment is
    sealed that wait is most of the run. How long data waits is not what is checked here; all else is as shipped.
    """
    with serving(tmp_path, OPSINTEL_WAL_SEGMENT_AGE_MS="100") as service:
        doors = ("--grpc", service.grpc, "--http", service.http, "--api", service.url)
        output = run("otlp_conformance.py", *doors, folder=tmp_path)
    assert ", 0 failed" in output


def test_strangers_are_refused_in_every_encoding(tmp_path: Path) -> None:
    """With a key configured, no key and a wrong key are answered with the protocol's own refusal."""
    token = "an-administrator-of-the-tests"
    with serving(tmp_path, OPSINTEL_ADMIN_TOKEN=token) as service:
        doors = ("--grpc", service.grpc, "--http", service.http, "--api", service.url)
        output = run("otlp_conformance.py", *doors, "--token", token, "--only", "auth", folder=tmp_path)
    assert "3 passed, 0 failed, 0 skipped" in output


@pytest.mark.timeout(900)
def test_nothing_acknowledged_is_lost_or_doubled(tmp_path: Path) -> None:
    """Killed under load, killed while it starts, torn tails, SIGTERM; `make durability` does fifty rounds."""
    command = f"{sys.executable} -m api.cli"
    output = run("durability.py", "--opsintel", command, "--rounds", "2", "--seconds", "3", folder=tmp_path)
    assert ", 0 failed" in output
