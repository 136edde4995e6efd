"""How work flows: summary, map, variants, cases, durations, rework, handovers, touches, spectrum of a transition."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from api.process.answer import LIMIT, Answer, Question, told
from api.process.query import Parameter, a_whole, one_of
from kpis.process import (
    CaseOrder,
    Holder,
    case_list,
    durations,
    handovers,
    object_map,
    process_map,
    process_summary,
    rework,
    spectrum,
    touches,
    variants,
)


def _rework(question: Question, options: Mapping[str, Any]) -> Any:
    found = rework(question.ch, question.tenant, question.stream, question.wanted, pairs=options["limit"])
    out = told(found, "share", "rework_events")
    for row, step in zip(out["steps"], found.steps, strict=True):
        row |= {"events": step.events, "share": step.share}
    return out


def _handovers(question: Question, options: Mapping[str, Any]) -> Any:
    found = handovers(
        question.ch, question.tenant, question.stream, question.wanted, options["by"], limit=options["limit"]
    )
    return told(found, "share")


def _spectrum(question: Question, options: Mapping[str, Any]) -> Any:
    return spectrum(
        question.ch,
        question.tenant,
        question.stream,
        options["from_step"],
        options["to_step"],
        question.wanted,
        buckets=options["buckets"],
        limit=options["limit"],
    )


def _objects(question: Question, options: Mapping[str, Any]) -> Any:
    return object_map(question.ch, question.tenant, question.stream, options["type"])


FLOW: tuple[Answer, ...] = (
    Answer(
        "summary",
        "Cases, all variants, all directly-follows edges, durations, rework, working and waiting time in one document",
        lambda q, _: process_summary(q.ch, q.tenant, q.stream, q.wanted).to_json(),
        figures=("variants", "case_duration_s", "working_waiting"),
        rows="edges",
        columns={"from": "from", "to": "to", "count": "count", "mean": "mean_s", "median": "median_s"},
    ),
    Answer(
        "map",
        "The process map: which step directly follows which, how often, and how long that takes",
        lambda q, _: process_map(q.ch, q.tenant, q.stream, q.wanted),
        rows="transitions",
        columns={
            "from": "from_step",
            "to": "to_step",
            "count": "count",
            "cases": "cases",
            "median": "gap.median_s",
            "95 %": "gap.p95_s",
            "waiting, all": "waiting.sum_s",
        },
    ),
    Answer(
        "variants",
        "Distinct sequences of steps, with their share, durations and outcomes",
        lambda q, options: told(variants(q.ch, q.tenant, q.stream, q.wanted, limit=options["limit"])),
        (LIMIT,),
        rows="variants",
        columns={
            "variant": "id",
            "cases": "cases",
            "share": "share",
            "median": "median_s",
            "90 %": "p90_s",
            "steps": "steps",
        },
    ),
    Answer(
        "cases",
        "The cases themselves, the most valuable, longest, most waiting or newest first",
        lambda q, o: told(case_list(q.ch, q.tenant, q.stream, q.wanted, o["order"], o["limit"], o["offset"])),
        (
            Parameter("order", "value, duration, waiting or last", one_of(*CaseOrder), default="value"),
            LIMIT,
            Parameter("offset", "how many to skip", a_whole(0, 10_000_000), default=0),
        ),
        rows="cases",
        columns={
            "case": "case_id",
            "last step": "last_step",
            "last": "last",
            "duration": "duration_s",
            "waiting": "waiting_s",
            "unknown": "unknown_s",
            "steps": "events",
            "value": "value",
            "currency": "currency",
            "outcome": "outcome",
        },
    ),
    Answer(
        "durations",
        "How long cases, steps and traces take, with a histogram",
        lambda q, _: durations(q.ch, q.tenant, q.stream, q.wanted),
        rows="steps",
        columns={
            "step": "step",
            "count": "count",
            "timed": "timed",
            "median": "duration.median_s",
            "90 %": "duration.p90_s",
            "95 %": "duration.p95_s",
        },
    ),
    Answer(
        "rework",
        "Steps that occur again, by the same or another resource, and work that goes to and fro",
        _rework,
        (LIMIT,),
        rows="steps",
        columns={
            "step": "step",
            "again": "events",
            "cases": "cases",
            "share": "share",
            "self-loops": "self_loops.total.events",
            "repetitions": "repetitions.total.events",
            "median from first to last": "elapsed.median_s",
        },
    ),
    Answer(
        "handovers",
        "Who hands work to whom, between systems, resources or kinds of actors",
        _handovers,
        (
            Parameter("by", "system, resource or actor", one_of(*Holder), default="system"),
            LIMIT,
        ),
        rows="passages",
        columns={
            "from": "from_holder",
            "to": "to_holder",
            "count": "count",
            "cases": "cases",
            "median": "gap.median_s",
            "waiting, all": "waiting.sum_s",
        },
    ),
    Answer(
        "touches",
        "How often people, systems and agents touch a case, and how many cases no human touches",
        lambda q, _: told(touches(q.ch, q.tenant, q.stream, q.wanted), "counted_cases", "touchless_rate"),
        rows="steps",
        columns={"step": "step", "count": "count", "human": "human", "system": "system", "agent": "agent"},
    ),
    Answer(
        "spectrum",
        "One transition over time: each case's passage, by how fast it was",
        _spectrum,
        (
            Parameter("from_step", "the step before", required=True),
            Parameter("to_step", "the step directly after", required=True),
            Parameter("buckets", "into how many pieces the period is cut", a_whole(1, 1_000), default=60),
            Parameter("limit", "how many passages are listed one by one", a_whole(0, 10_000), default=500),
        ),
        rows="buckets",
        columns={"from": "start", "to": "end", "count": "count", "median": "median_s", "90 %": "p90_s"},
    ),
    Answer(
        "object-map",
        "The object-centric process map: for each type of object which step follows which in its objects' lives",
        _objects,
        (Parameter("type", "only objects of this type; several: any of them", repeated=True),),
        filtered=False,
        rows="edges",
        columns={
            "type": "object_type",
            "from": "from_step",
            "to": "to_step",
            "count": "count",
            "events": "events",
            "objects": "objects",
        },
    ),
)
