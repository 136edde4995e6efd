"""`opsintel bench ingest` against a running service."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.integration.served import opsintel, serving

pytestmark = pytest.mark.blackbox


def test_it_reports_what_was_acknowledged_and_stored(tmp_path: Path) -> None:
    with serving(tmp_path) as served:
        options = ["--url", served.url, "--otlp", served.http, "--seconds", "1", "--spans", "100"]
        done = opsintel(tmp_path, "bench", "ingest", *options, "--rate", "2000", "--json")
        assert done.returncode == 0, done.stderr
        told = json.loads(done.stdout)
        assert told["acknowledged"] == told["stored"] == 2_000
        assert (told["pending"], told["refusals"], told["problem"]) == (0, 0, "")
        assert 0 < told["latency_p50_ms"] <= told["latency_p99_ms"]
        assert served.ledger("traces")["stored"] == 2_000
        full = opsintel(tmp_path, "bench", "ingest", *options)
        assert full.returncode == 0, full.stderr
        assert "acknowledged per s" in full.stdout


def test_a_service_that_is_not_there_is_named(tmp_path: Path) -> None:
    done = opsintel(tmp_path, "bench", "ingest", "--url", "http://127.0.0.1:9")
    assert done.returncode == 2
    assert done.stderr.startswith("opsintel: http://127.0.0.1:9 cannot be reached")
    assert "Traceback" not in done.stderr
