"""One owner for a data directory."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from api.lock import data_directory
from core import Conflict

HOLD = """
import sys
from pathlib import Path
from api.lock import data_directory
with data_directory(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_process_is_told_who_holds_the_directory(tmp_path: Path) -> None:
    folder = tmp_path / "not yet there" / "data"
    child = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with child:
        assert child.stdout is not None
        assert child.stdout.readline() == "held\n"
        with pytest.raises(Conflict) as refusal, data_directory(folder):
            pytest.fail("it was held")
        assert refusal.value.message == f"the data directory {folder} is in use by process {child.pid}"
        assert "OPSINTEL_DATA_DIR" in refusal.value.hint
        child.kill()  # the kernel lets go, whatever ended it
    with data_directory(folder) as held:
        assert held == folder


def test_the_directory_is_free_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), data_directory(tmp_path):
        raise ZeroDivisionError
    with data_directory(tmp_path):
        pass
