"""What cases should do: conformance with the declared model, unusual times, working calendars."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from api.jsonable import jsonable
from api.process.answer import Answer, Question
from api.process.query import Parameter, a_number, a_whole, one_of
from core import InvalidInput
from kpis.process import (
    State,
    calendar_gaps,
    case_count,
    conformance,
    deviating_cases,
    temporal_deviations,
    temporal_profile,
)

STATES = {one.name.lower(): one for one in State if one is not State.OUTSIDE}


def _conformance(question: Question, options: Mapping[str, Any]) -> Any:
    found = conformance(
        question.ch,
        question.tenant,
        question.model,
        question.models.calendars,
        question.wanted,
        examples=options["examples"],
    )
    out = jsonable(found) | {"fitness": found.fitness, "conforming_share": found.conforming_share}
    for row, rule in zip(out["rules"], found.rules, strict=True):
        row |= {"fitness": rule.fitness}
        row["effect"] |= {
            "median_difference_s": rule.effect.median_difference_s,
            "mean_difference_s": rule.effect.mean_difference_s,
        }
    return out


def _deviations(question: Question, options: Mapping[str, Any]) -> Any:
    found = deviating_cases(
        question.ch,
        question.tenant,
        question.model,
        question.models.calendars,
        options["rule"],
        question.wanted,
        state=STATES[options["state"]],
        limit=options["limit"],
    )
    return jsonable(found) | {"checked": case_count(question.ch, question.tenant, question.stream, question.wanted)}


def _temporal(question: Question, options: Mapping[str, Any]) -> Any:
    profile = temporal_profile(question.ch, question.tenant, question.stream, question.wanted)
    found = temporal_deviations(question.ch, question.tenant, profile, question.wanted, zeta=options["zeta"])
    return {"profile": jsonable(profile), **jsonable(found), "cases": profile.cases, "deviating": found.cases}


def _gaps(question: Question, options: Mapping[str, Any]) -> Any:
    known, calendars = question.models.streams.get(question.stream), question.models.calendars
    if options["calendar"] and options["calendar"] not in calendars:
        have = ", ".join(sorted(calendars)) or "none"
        raise InvalidInput(f"calendar: there is no {options['calendar'][:64]!r}; there are {have}")
    found = calendar_gaps(
        question.ch,
        question.tenant,
        question.stream,
        calendars,
        question.wanted,
        calendar=options["calendar"] or (known.calendar if known else ""),
        by_step=known.calendars if known else {},
    )
    return {"stream": question.stream, "transitions": jsonable(found)}


JUDGEMENT: tuple[Answer, ...] = (
    Answer(
        "conformance",
        "How cases keep the declared model: each rule, and what its deviations cost in time and money",
        _conformance,
        (Parameter("examples", "case ids a rule", a_whole(0, 100), default=5),),
        rows="rules",
        columns={
            "rule": "rule.id",
            "checked": "checked",
            "violating": "violating",
            "pending": "pending",
            "allowed": "allowed",
            "unknown": "unknown",
            "fitness": "fitness",
            "median longer by": "effect.median_difference_s",
        },
    ),
    Answer(
        "deviations",
        "The cases that break a rule of the model, the most valuable first",
        _deviations,
        (
            Parameter("rule", "the rule's id, as conformance gives it", required=True),
            Parameter("state", ", ".join(STATES), one_of(*STATES), default="violated"),
            Parameter("limit", "how many at most", a_whole(1, 1_000), default=100),
        ),
        rows="cases",
        columns={
            "case": "case_id",
            "first": "first",
            "duration": "duration_s",
            "outcome": "outcome",
            "value": "value",
            "currency": "currency",
            "last step": "last_step",
            "reason": "reason",
        },
    ),
    Answer(
        "temporal",
        "The usual time between any two steps, and cases that are far from it",
        _temporal,
        (Parameter("zeta", "how many standard deviations are far", a_number(0.1, 1e6), default=3.0),),
        rows="deviations",
        columns={
            "from": "usual.from_step",
            "to": "usual.to_step",
            "usual mean": "usual.mean_s",
            "far": "count",
            "cases": "cases",
            "slower": "slower",
        },
    ),
    Answer(
        "calendar-gaps",
        "Waiting in working time beside the clock's, so that a weekend is no bottleneck",
        _gaps,
        (Parameter("calendar", "a calendar of the models; else that of the stream and its steps", default=""),),
        rows="transitions",
        columns={
            "from": "from_step",
            "to": "to_step",
            "calendar": "calendar",
            "count": "count",
            "median": "gap.median_s",
            "median, working": "working_gap.median_s",
            "sum": "gap.sum_s",
            "sum, working": "working_gap.sum_s",
        },
    ),
)
