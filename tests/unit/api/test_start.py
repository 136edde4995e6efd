"""What a command loads before it does anything: a start is most of a short command's time."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
HEAVY = {"alembic", "dash", "fastapi", "plotly", "pyarrow", "typst", "xlsxwriter"}
"""Each takes a tenth of a second or more, and few commands need it."""


def loaded(module: str) -> tuple[set[str], bool]:
    """Of HEAVY what the module loads, and whether garbage is collected afterwards."""
    code = f"import gc, json, sys, {module}; print(json.dumps([sorted({HEAVY!r} & set(sys.modules)), gc.isenabled()]))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    found, collected = json.loads(done.stdout)
    return set(found), collected


def test_the_command_line_loads_what_every_command_needs() -> None:
    assert loaded("api.cli") == (set(), True)


def test_a_receiver_loads_what_it_needs() -> None:
    assert loaded("api.receiver") == (set(), True)


def test_the_service_loads_what_makes_files_when_one_is_wanted() -> None:
    assert loaded("api.serve") == ({"dash", "fastapi", "plotly"}, True)
