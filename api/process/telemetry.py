"""What telemetry and objects add to a process: waits in queues, and the process as the objects of one type see it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from api.jsonable import jsonable
from api.process.answer import Answer, Question, told
from api.process.query import Parameter
from core import SystemClock
from kpis import CaseJobs
from kpis.process import flatten, queue_waits


def _queue_waits(question: Question, _: Mapping[str, Any]) -> Any:
    found = queue_waits(question.ch, question.tenant, question.stream, question.wanted)
    return {"stream": question.stream, "queues": jsonable(found)}


def _flatten(question: Question, options: Mapping[str, Any]) -> Any:
    jobs = CaseJobs(question.ch, SystemClock(), lambda: question.models.streams)
    found = flatten(question.ch, question.tenant, question.stream, options["type"], jobs=jobs)
    return told(found, "convergence", "divergence")


TELEMETRY: tuple[Answer, ...] = (
    Answer(
        "queue-waits",
        "How long messages waited between the producer's span and the consumer's, by queue and step",
        _queue_waits,
        rows="queues",
        columns={
            "queue": "destination",
            "step": "step",
            "messages": "n",
            "skewed": "skewed",
            "median": "wait.median_s",
            "90 %": "wait.p90_s",
            "95 %": "wait.p95_s",
            "all": "wait.sum_s",
        },
    ),
    Answer(
        "flatten",
        "The process as objects of one type see it, kept as the stream STREAM/TYPE, and what that distorts",
        _flatten,
        (Parameter("type", "the type of object, as object-map names it", required=True),),
        filtered=False,
        rows="steps",
        columns={
            "step": "step",
            "events": "events",
            "occurrences": "occurrences",
            "shared": "shared",
            "repeats": "repeats",
            "unrelated": "unrelated",
            "diverging cases": "diverging_cases",
        },
    ),
)
