"""Where work waits, why, what it costs, and which cases are at risk."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from api.jsonable import jsonable
from api.process.answer import LIMIT, Answer, Question, told
from api.process.query import Parameter, a_length, a_number, a_time, a_whole, a_zone
from core import InvalidInput
from kpis.process import (
    bottlenecks,
    calibration,
    cases_at_risk,
    historical_bottlenecks,
    splits,
    waiting_causes,
)

LONGEST_PAST = timedelta(days=1_100)
ZONE = Parameter("timezone", "time zone of working hours, such as Europe/Berlin", a_zone, default="UTC")


def _bottlenecks(question: Question, options: Mapping[str, Any]) -> Any:
    models = question.models
    found = bottlenecks(question.ch, question.tenant, question.now, {question.stream: question.model}, models.calendars)
    return {"stream": question.stream, "at": jsonable(question.now), "bottlenecks": jsonable(found)}


def _past(question: Question, options: Mapping[str, Any]) -> Any:
    start, end = options["since"], options["until"] or question.now
    if end - start > LONGEST_PAST:
        raise InvalidInput(f"the period is looked at hour by hour: at most {LONGEST_PAST.days} days, got {end - start}")
    found = historical_bottlenecks(
        question.ch,
        question.tenant,
        question.stream,
        question.wanted,
        start=start,
        end=end,
        streams=question.models.streams,
        calendars=question.models.calendars,
    )
    return {"stream": question.stream, "bottlenecks": jsonable(found)}


def _splits(question: Question, options: Mapping[str, Any]) -> Any:
    found = splits(
        question.ch,
        question.tenant,
        question.stream,
        question.wanted,
        slow_share=options["slow_share"],
        threshold_s=options["threshold"],
        min_support=options["min_support"],
        timezone=options["timezone"],
        limit=options["limit"],
    )
    out = told(found)
    for row, split in zip(out["splits"], found.splits, strict=True):
        row |= {"label": split.label, "difference_s": split.difference_s}
    return out


def _risk(question: Question, options: Mapping[str, Any]) -> Any:
    found = cases_at_risk(
        question.ch,
        question.tenant,
        question.now,
        {question.stream: question.model},
        limit=options["limit"],
        wanted=question.wanted,
        corrections=question.corrections,
    )
    return {"stream": question.stream, "at": jsonable(question.now), "at_risk": jsonable(found)}


def _causes(question: Question, options: Mapping[str, Any]) -> Any:
    found = waiting_causes(question.ch, question.tenant, question.stream, question.wanted, timezone=options["timezone"])
    out = jsonable(found)
    out["causes"]["total_s"] = found.causes.total_s
    for row, transition in zip(out["transitions"], found.transitions, strict=True):
        row["causes"]["total_s"] = transition.causes.total_s
    return out


WAITING: tuple[Answer, ...] = (
    Answer(
        "bottlenecks",
        "Where open cases stand now, whether that is unusual, what it costs, and what moves with it",
        _bottlenecks,
        filtered=False,
        rows="bottlenecks",
        columns={
            "after": "step",
            "next at": "owner_system",
            "cases": "cases",
            "value": "value",
            "currency": "currency",
            "median wait": "median_wait_s",
            "usual": "usual_wait_s",
            "money x h beyond usual": "value_hours",
            "since": "since",
            "would help": "action",
            "on": "action_target",
            "can be run": "action_executable",
        },
    ),
    Answer(
        "past-bottlenecks",
        "Where cases waited in a past period beyond what was usual before, and what that cost",
        _past,
        (
            Parameter("since", "the beginning of the period", a_time, required=True),
            Parameter("until", "its end; now where none is given", a_time),
        ),
        rows="bottlenecks",
        columns={
            "after": "step",
            "cases": "cases",
            "currency": "currency",
            "money x h beyond usual": "value_hours",
            "since": "since",
            "until": "until",
        },
    ),
    Answer(
        "waiting-causes",
        "Why steps waited: batching, contention, prioritisation, unavailability, or something else",
        _causes,
        (ZONE,),
        rows="transitions",
        columns={
            "from": "from_step",
            "to": "to_step",
            "waits": "waits",
            "waiting": "causes.total_s",
            "batching": "causes.batching_s",
            "contention": "causes.contention_s",
            "prioritisation": "causes.prioritisation_s",
            "unavailability": "causes.unavailability_s",
            "other": "causes.other_s",
        },
    ),
    Answer(
        "splits",
        "What splits slow cases from fast ones: traits by effect, with support and significance",
        _splits,
        (
            Parameter("slow_share", "the slowest share of the cases", a_number(0.001, 0.999), default=0.25),
            Parameter("threshold", "or: slow is longer than this", a_length),
            Parameter("min_support", "cases that must have, and lack, a trait", a_whole(1, 10**9), default=20),
            ZONE,
            Parameter("limit", "how many at most", a_whole(1, 1_000), default=20),
        ),
        rows="splits",
        columns={
            "trait": "label",
            "cases": "cases",
            "slow": "slow_share",
            "slow without": "slow_share_without",
            "lift": "lift",
            "median": "median_s",
            "without": "median_without_s",
            "q": "q",
        },
    ),
    Answer(
        "risk",
        "Open cases that may miss their promise, by the value that stands on it, and why",
        _risk,
        (LIMIT,),
        rows="at_risk",
        columns={
            "case": "case_id",
            "after": "step",
            "since": "since",
            "value": "value",
            "currency": "currency",
            "promise": "promise_at",
            "late": "p_late",
            "remaining": "remaining_s",
            "why": "reasons",
        },
    ),
    Answer(
        "calibration",
        "How well the predictions of remaining time and lateness held, at past moments",
        lambda q, _: calibration(q.ch, q.tenant, q.stream, q.now, streams=q.models.streams),
        filtered=False,
        rows="bins",
        columns={"from": "low", "to": "high", "count": "count", "predicted": "predicted", "observed": "observed"},
    ),
)
