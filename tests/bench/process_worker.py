"""What both sides of the process benchmark share: the shape of answers, and the talk between parent and worker.

A worker is a process of its own, so that its memory is its own. It reads one JSON object a line: `{"do": "call",
"method": name, "arguments": {…}}`, `{"do": "ask", "question": name}` or `{"do": "answers"}`, and answers with one line
of JSON that has the result or the seconds, and `peak_mib`, the highest resident size since the command before.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol, TextIO


@dataclass(frozen=True)
class Answers:
    """Seconds; `edges`: count, mean and median by 'a > b'; `sequences`: a digest of all variants with their counts."""

    cases: int
    events: int
    edges: Mapping[str, tuple[int, float, float]]
    starts: Mapping[str, int]
    ends: Mapping[str, int]
    variants: int
    sequences: str
    durations: Mapping[str, float]
    rework: Mapping[str, int]

    @classmethod
    def read(cls, found: Mapping[str, Any]) -> Answers:
        """From JSON."""
        edges = {name: tuple(values) for name, values in found["edges"].items()}
        return cls(**{**found, "edges": edges})


def digest(sequences: Iterable[tuple[Iterable[str], int]]) -> str:
    """Names a set of variants with their counts, in whatever order they come."""
    lines = sorted("\x1f".join(steps) + f"\x1e{count}\n" for steps, count in sequences)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def differences(ours: Answers, theirs: Answers, *, rel: float = 1e-6, slack: float = 0.01) -> list[str]:
    """What does not agree: counts exactly, durations as near as check_process.py wants them."""
    exact = ("cases", "events", "starts", "ends", "variants", "sequences", "rework")
    found = [
        f"{name}: {getattr(ours, name)!r:.300} and {getattr(theirs, name)!r:.300}"
        for name in exact
        if getattr(ours, name) != getattr(theirs, name)
    ]
    if set(ours.edges) != set(theirs.edges):
        found.append(f"edges: only one side has {sorted(set(ours.edges) ^ set(theirs.edges))[:5]}")
    for name in set(ours.edges) & set(theirs.edges):
        pairs = list(zip(ours.edges[name], theirs.edges[name], strict=True))
        if pairs[0][0] != pairs[0][1] or not all(math.isclose(*pair, rel_tol=rel, abs_tol=slack) for pair in pairs):
            found.append(f"edge {name}: {ours.edges[name]} and {theirs.edges[name]}")
    found += [
        f"{name} duration: {ours.durations[name]} and {theirs.durations[name]}"
        for name in ours.durations
        if not math.isclose(ours.durations[name], theirs.durations[name], rel_tol=rel, abs_tol=slack)
    ]
    return found


class Contender(Protocol):
    """One side."""

    def answers(self) -> Answers:
        """Everything, to be compared."""
        ...

    def questions(self) -> Mapping[str, Callable[[], Any]]:
        """What is timed, by name."""
        ...


def serve(contender: Contender, commands: TextIO) -> None:
    """Answers commands until there are no more; what libraries print goes to standard error."""
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in commands:
        command = json.loads(line)
        _forget_peak()
        reply: dict[str, Any] = {}
        if command["do"] == "call":
            reply["result"] = getattr(contender, command["method"])(**command["arguments"])
        elif command["do"] == "answers":
            reply["answers"] = asdict(contender.answers())
        else:
            question = contender.questions()[command["question"]]
            began = time.perf_counter()
            question()
            reply["seconds"] = time.perf_counter() - began
        reply["peak_mib"] = _peak_mib()
        out.write(json.dumps(reply) + "\n")
        out.flush()


def _forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


def _peak_mib() -> int:
    """The highest resident size since the last `_forget_peak`."""
    status = Path("/proc/self/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))) >> 10


class Worker:
    """A worker as its parent sees it. Raises RuntimeError when it dies."""

    def __init__(self, module: str) -> None:
        self.name = module.rsplit("_", 1)[1]
        self._process = subprocess.Popen(
            [sys.executable, "-m", module], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def tell(self, do: str, **more: Any) -> dict[str, Any]:
        """Sends a command and waits for its answer."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps({"do": do, **more}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the worker {self.name} ended with {self._process.wait()}")
        found: dict[str, Any] = json.loads(line)
        return found

    def close(self) -> None:
        """Ends the process."""
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait(60)
