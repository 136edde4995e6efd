"""pm4py's answers to the questions of the process benchmark, and the process that gives them there.

pm4py (AGPL) is an oracle of tests and an opponent of the benchmark, never a part of the product. Frames have pm4py's
columns: `case:concept:name`, `concept:name`, `time:timestamp`, and `start_timestamp` where starts are known.

As a program it reads one JSON command a line and answers with one line, see `process_worker`.
"""

from __future__ import annotations

import gc
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tests.bench.process_worker import Answers, digest, serve

CASE, STEP, AT, START = "case:concept:name", "concept:name", "time:timestamp", "start_timestamp"

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import pm4py
    from pm4py.algo.discovery.dfg.adapters.pandas.df_statistics import get_dfg_graph
    from pm4py.util import constants

constants.SHOW_PROGRESS_BAR = False


def formatted(frame: pd.DataFrame) -> pd.DataFrame:
    """As pm4py wants it, in the order of the events of each case: start, end, row of the file."""
    frame = frame.reset_index(drop=True)
    if START in frame:
        frame[START] = frame[START].fillna(frame[AT])
    made = pm4py.format_dataframe(frame, case_id=CASE, activity_key=STEP, timestamp_key=AT, start_timestamp_key=START)
    order = [CASE, START, AT] if START in frame else [CASE, AT]
    return made.sort_values([*order, constants.DEFAULT_INDEX_KEY], kind="stable").reset_index(drop=True)


def map_as_documented(frame: pd.DataFrame) -> Any:
    """The map by the functions of pm4py's manual; they sort the frame again, and know no start times."""
    counts, starts, ends = pm4py.discover_dfg(frame)
    performance, _, _ = pm4py.discover_performance_dfg(frame, perf_aggregation_key="all")
    return counts, performance, starts, ends


def map_at_once(frame: pd.DataFrame) -> Any:
    """The same in one pass over a frame that is in order already, from end to start; what answers are compared with."""
    if frame[CASE].nunique() == len(frame):  # without a pair pm4py stumbles over a column of nothing
        return {}, {}, pm4py.get_start_activities(frame), pm4py.get_end_activities(frame)
    start = START if START in frame else None
    counts, performance = get_dfg_graph(
        frame, measure="both", perf_aggregation_key="all", start_timestamp_key=start, sort_caseid_required=False
    )
    return counts, performance, pm4py.get_start_activities(frame), pm4py.get_end_activities(frame)


def variants(frame: pd.DataFrame) -> dict[tuple[str, ...], int]:
    """Cases by sequence of steps."""
    found: dict[tuple[str, ...], int] = pm4py.get_variants(frame)
    return found


def durations(frame: pd.DataFrame) -> dict[str, float]:
    """Of cases, in seconds, from the first start."""
    if START in frame:
        grouped = frame.groupby(CASE, sort=False)
        seconds = (grouped[AT].max() - grouped[START].min()).dt.total_seconds().to_numpy()
    else:
        seconds = np.array(pm4py.get_all_case_durations(frame))
    return {"median": float(np.median(seconds)), "mean": float(seconds.mean()), "p90": float(np.quantile(seconds, 0.9))}


def rework(frame: pd.DataFrame) -> dict[str, int]:
    """Cases in which a step occurs more than once, by step."""
    found: dict[str, int] = pm4py.get_rework_cases_per_activity(frame)
    return found


def answers(frame: pd.DataFrame) -> Answers:
    """Everything, to be compared."""
    counts, performance, starts, ends = map_at_once(frame)
    sequences = variants(frame)
    return Answers(
        cases=int(frame[CASE].nunique()),
        events=len(frame),
        edges={
            f"{a} > {b}": (int(count), float(performance[a, b]["mean"]), float(performance[a, b]["median"]))
            for (a, b), count in counts.items()
        },
        starts={str(step): int(count) for step, count in starts.items()},
        ends={str(step): int(count) for step, count in ends.items()},
        variants=len(sequences),
        sequences=digest(sequences.items()),
        durations=durations(frame),
        rework={str(step): int(count) for step, count in rework(frame).items()},
    )


class Worker:
    """pm4py with one log in memory."""

    def __init__(self) -> None:
        self._frame = pd.DataFrame()

    def load(self, file: str) -> float:
        """Reads and formats a Parquet file; seconds."""
        began = time.perf_counter()
        self._frame = formatted(pd.read_parquet(Path(file)))
        gc.collect()
        return time.perf_counter() - began

    def answers(self) -> Answers:
        """Everything, to be compared."""
        return answers(self._frame)

    def questions(self) -> dict[str, Callable[[], Any]]:
        """What is timed, by name."""
        return {
            "map": lambda: map_as_documented(self._frame),
            "variants": lambda: variants(self._frame),
            "durations": lambda: durations(self._frame),
            "rework": lambda: rework(self._frame),
        }


if __name__ == "__main__":
    serve(Worker(), sys.stdin)
