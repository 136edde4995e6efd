"""Event logs that nobody has seen before, from the file over the command line to the summary, beside plain Python.

The logs are modelled on the quirks of published ones (`strange_logs.py`); the answers are computed by `oracle_log.py`
from what was written. All of them are imported into one data directory by one process, command after command.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any

import pytest

from api.process import ANSWERS
from tests.integration.oracle_log import differences, near, summary
from tests.integration.served import environment
from tests.integration.strange_logs import LOGS, Log

pytestmark = pytest.mark.timeout(600)
"""The first test waits for all commands."""


@dataclass(frozen=True)
class Imported:
    """A log, and what the commands said."""

    log: Log
    imported: dict[str, Any]
    summarised: dict[str, Any]
    mapped: dict[str, Any]


def commands(folder: Path, given: list[list[str]]) -> list[dict[str, Any]]:
    """Runs the commands on the data in the folder."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.integration.many_commands"],
        input=json.dumps(given), cwd=Path(__file__).parents[2], capture_output=True, text=True, timeout=580,
        check=False, env=environment(folder, OPSINTEL_WAL_SEGMENT_AGE_MS="20"),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Imported]:
    """Every log in a stream of its own name."""
    folder = tmp_path_factory.mktemp("others")
    logs: dict[str, Log] = {}
    given: dict[str, list[list[str]]] = {}
    for name, write in LOGS.items():
        log = logs[name] = write(folder)
        options = list(log.options)
        if log.mapping:
            mapping = folder / f"{name}.toml"
            mapping.write_text(log.mapping, "utf-8")
            options += ["--mapping", str(mapping)]
        given[name] = [["import", str(log.file), "--stream", name, "--json", *options]]
        given[name] += [["process", "summary", name, "--json"], ["process", "map", name, "--json"]]
    last = given.pop(LONGEST)
    outcomes = iter(commands(folder, [*chain(*given.values()), *shown(), *last]))
    found = {name: Imported(logs[name], *islice(outcomes, 3)) for name in given}
    TOLD.extend(islice(outcomes, len(shown())))
    return found | {LONGEST: Imported(logs[LONGEST], *outcomes)}


LONGEST = "a-long-history"
"""Comes last: whatever is asked when it is in pays for its hundreds of months, a part of the tables each."""
TOLD: list[dict[str, Any]] = []
"""What the commands of `shown` said."""
MORE = {
    "spectrum": ["--from-step", "Payment", "--to-step", "Add penalty"],
    "past-bottlenecks": ["--since", "2019-01-01T00:00:00Z", "--until", "2019-03-01T00:00:00Z"],
    "deviations": ["--rule", "none"],
}  # fmt: skip
NOTHING = ["--contains", "no such step", "--min-duration", "1d", "--start", "2300-01-01T00:00:00Z"]


def shown() -> list[list[str]]:
    """Every answer as people see it: of names that hurt, and of starts behind their ends.

    Of the first also of no case at all, where the answer takes the filter.
    """
    streams = ("names-that-hurt", "start-and-end")
    every = [["process", one.name, stream, *MORE.get(one.name, [])] for stream in streams for one in ANSWERS]
    return every + [[*every[place], *NOTHING] for place, one in enumerate(ANSWERS) if one.filtered]


@pytest.mark.parametrize("name", LOGS)
def test_the_import_says_what_it_took(imported: dict[str, Imported], name: str) -> None:
    one = imported[name]
    assert one.imported["code"] == 0, one.imported
    report = json.loads(one.imported["out"])
    assert (report["rejected"], report["skipped"]) == (one.log.broken, one.log.skipped), report["rejections"]
    events = len(one.log.steps) + one.log.loose
    assert (report["events"], report["cases"]) == (events, len({step.case for step in one.log.steps}))


@pytest.mark.parametrize("name", LOGS)
def test_the_summary_is_that_of_plain_python(imported: dict[str, Imported], name: str) -> None:
    one = imported[name]
    assert one.summarised["code"] == 0, one.summarised["err"]
    assert not differences(json.loads(one.summarised["out"]), summary(one.log.steps))


@pytest.mark.parametrize("name", LOGS)
def test_the_map_is_that_of_plain_python(imported: dict[str, Imported], name: str) -> None:
    one = imported[name]
    assert one.mapped["code"] == 0, one.mapped["err"]
    found, wanted = json.loads(one.mapped["out"]), summary(one.log.steps)
    edges = {(e["from_step"], e["to_step"]): (e["count"], e["gap"]["mean_s"], e["gap"]["median_s"])
             for e in found["transitions"]}  # fmt: skip
    assert (found["cases"], found["events"]) == (wanted["cases"], wanted["events"])
    assert edges.keys() == wanted["edges"].keys()
    assert not [edge for edge, told in edges.items() if not all(map(near, told, wanted["edges"][edge]))]
    assert sum(node["starts"] for node in found["steps"]) == sum(node["ends"] for node in found["steps"])
    assert len(found["steps"]) == wanted["activities"]


@pytest.mark.usefixtures("imported")
@pytest.mark.parametrize(
    ("place", "call"), list(enumerate(shown())), ids=[" ".join([*one[1:3], *one[-2:-1]]) for one in shown()]
)
def test_a_command_ends_in_a_table_or_in_one_sentence(place: int, call: list[str]) -> None:
    told = TOLD[place]
    if told["code"]:
        assert (told["code"], told["err"].startswith("opsintel: ")) == (2, True), told
        assert "Traceback" not in told["err"]
        assert "the engine" not in told["err"]
    elif call[-len(NOTHING) :] == NOTHING:
        assert "nothing matches" in told["out"], told
    else:
        assert told["out"].strip(), told
        assert ("nothing matches" in told["out"]) == (call[1:3] == ["spectrum", "names-that-hurt"]), told
