"""Every answer about cases on odd cases, under filters that match nothing, and to questions that make no sense.

Whatever is asked: an answer, or a problem document of the 4xx kind that says what is wrong; never a 5xx, never a word
of SQL, never a number that is none.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from api.problems import status_of
from api.process import ANSWERS, Answer
from core import OpsintelError, Role
from tests.fuzz.budget import LONG
from tests.unit.api.service import NOW, NS, Api, attributes

STREAM = "order-to-cash"
DAY = 86_400 * 10**9
NEEDED: Mapping[str, Mapping[str, str]] = {
    "spectrum": {"from_step": "retail.order.placed", "to_step": "retail.order.paid"},
    "past-bottlenecks": {"since": "2026-02-20T00:00:00Z"},
    "deviations": {"rule": "no-such-rule"},
}
SQL = re.compile(r"\b(SELECT|FROM cases|FINAL|DB::|Code: \d|Exception|Traceback|f_\d)\b")
HOSTILE = (
    "", " ", "nan", "NaN", "inf", "-inf", "-1", "--5", "+5", "0x10", "1e400", "1e-400", "9" * 400, "9" * 5_000, "²",
    "٣", "1_000", "18446744073709551616", "2026-03-02", "2026-13-40T00:00:00Z", "0001-01-01T00:00:00+14:00",
    "0001-01-01T00:00:00Z", "1969-12-31T23:59:59Z", "2262-04-12T00:00:00Z", "2299-12-31T23:59:59Z",
    "2300-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "9999-12-31T23:59:59-14:00", "2026-W10-1", "' OR 1=1 --",
    "'; DROP TABLE cases; --", "\\", "\\'", "{tenant:String}", "{x:", "%s%n", "/*filter*/", "a->b", "->", "a->", "a=b",
    "=", "a=", "=b", "\x00", "a\x00=b", "é", "🦄", "\ufffe", "\u202e", "x" * 20_000, "100000d", "1w1w1w", "999999999w",
    "open", "closed", "UTC", "../../etc/passwd", "Europe/Berlin", "system",
)  # fmt: skip
NAMES = ("", " ", "x" * 20_000, "'; DROP TABLE cases; --", "\\'", "{tenant:String}", "/*filter*/", "\x00", "🦄")
"""Of these any may be the name of a step."""


def record(case: str, step: str, at: int, **more: str) -> dict[str, Any]:
    """A business event; `__` in names stands for a dot."""
    own = {"retail__stream": STREAM, "retail__case__id": case, "retail__step": step, **more}
    return {"timeUnixNano": str(at), "eventName": f"retail.order.{step}", "attributes": attributes(**own)}


def odd_cases() -> list[dict[str, Any]]:
    """One event; no end; equal times; an event before the start; no resource; a renamed step."""
    began = NS - 5 * DAY
    hour = 3_600 * 10**9
    rows = [
        record("one event", "placed", began),
        record("no end", "placed", began),
        record("no end", "picked", began + hour),
        *(record("equal times", step, began, retail__seq=str(number)) for number, step in enumerate("abcabcabc", 1)),
        record("before the start", "delivered", began - 10 * DAY),
        record("before the start", "placed", began),
        record("ends before it starts", "packed", began, retail__step__start=str(began + hour)),
        record("ends before it starts", "paid", began + 1, retail__step__start=str(began)),
        record("no resource", "placed", began, retail__resource=""),
        record("no resource", "paid", began + hour, retail__resource="Ann", retail__step__start=str(began)),
        record("renamed", "placed", began, retail__event__id="r1", retail__seq="1"),
        record("renamed", "submitted", began, retail__event__id="r1", retail__seq="1"),
        record("all there is", "placed", began, retail__amount="1e300", retail__currency="EUR"),
        record("all there is", "paid", began + hour, retail__amount="nan", retail__resource="é" * 300),
        record("all there is", "delivered", began + 2 * hour, retail__amount="-5", retail__currency="🦄"),
    ]
    rows += [record(case, "placed", began) for case in ODD_IDS[:7]]
    for number in range(40):
        case = f"usual {number}"
        rows += [
            record(case, "placed", began + number * hour, retail__amount="10", retail__currency="EUR"),
            record(case, "paid", began + (number + 2) * hour, retail__step__start=str(began + (number + 1) * hour)),
            *([record(case, "delivered", began + (number + 9) * hour)] if number % 3 else []),
        ]
    return rows


@pytest.fixture(scope="module", autouse=True)
def _filled(api: Api) -> None:
    resource = {"attributes": attributes(service__name="erp")}
    body = {"resourceLogs": [{"resource": resource, "scopeLogs": [{"logRecords": odd_cases()}]}]}
    with api.client(api.shop.keys[Role.INGEST]) as client:
        answer = client.post("/v1/logs", json=body)
        assert answer.status_code == 200, answer.text
    assert api.services.collector.flush()


def path(answer: str) -> str:
    return f"/api/v1/processes/{STREAM}/{answer}"


def sane(answer: httpx.Response) -> Any:
    """The body of an answer or a refusal that keeps the rules of this module."""
    asked = (str(answer.request.url)[:300], answer.text[:600])
    assert answer.status_code < 500, asked

    def refuse(constant: str) -> None:
        raise AssertionError((constant, *asked))

    body = json.loads(answer.text, parse_constant=refuse)
    if answer.status_code != 200:
        assert answer.headers["content-type"] == "application/problem+json", asked
        assert "the engine" not in body["detail"], asked
        assert not SQL.search(body["detail"].replace("/*filter*/", "")), asked
    return body


@pytest.mark.parametrize("answer", [one.name for one in ANSWERS])
def test_odd_cases_have_an_answer(api: Api, answer: str) -> None:
    found = api.get(path(answer), **NEEDED.get(answer, {}))
    body = sane(found)
    assert found.status_code == 200 or answer in ("deviations", "object-map", "flatten"), body


ODD_IDS = ("a/b", "a?b#c", "%2F", "é", " blank ", "🦄", "'; --", "one event", "ends before it starts", "all there is")


@pytest.mark.parametrize("case", ODD_IDS)
def test_an_odd_case_has_a_timeline(api: Api, case: str) -> None:
    found = api.get(path(f"cases/{quote(case, safe='')}"))
    assert sane(found)["case_id"] == case, found.text


def test_what_becomes_of_odd_cases(api: Api) -> None:
    cases = {one["case_id"]: one for one in api.get(path("cases"), limit="1000").json()["cases"]}
    assert (cases["one event"]["duration_s"], cases["one event"]["events"]) == (0.0, 1)
    assert (cases["no end"]["outcome"], cases["no end"]["last_step"]) == ("", "picked")
    assert cases["before the start"]["duration_s"] == 10 * 86_400.0
    assert cases["renamed"]["events"] == 1
    assert all(one["duration_s"] >= 0 for one in cases.values())
    only = api.get(path("variants"), attribute="retail.seq=9").json()
    assert only["cases"] == 0, "the sequence number is no attribute of a case"
    ties = next(one for one in api.get(path("variants")).json()["variants"] if one["steps"][:2] == ["a", "b"])
    assert ties["steps"] == list("abcabcabc")


def test_a_stream_without_deviations_is_not_one_without_cases(api: Api) -> None:
    """The number of cases is that of those looked at, also where the answer lists only some of them."""
    everything = api.get(path("map")).json()["cases"]
    for answer in ("temporal", "calendar-gaps", "risk", "past-bottlenecks"):
        found = api.get(path(answer), **NEEDED.get(answer, {}), **({"zeta": "1e6"} if answer == "temporal" else {}))
        assert found.json()["cases"] == everything, answer


EMPTY: Sequence[Mapping[str, Any]] = (
    {"contains": "no such step"},
    {"min_duration": "1000000"},
    {"start": "1971-01-01T00:00:00Z", "end": "1971-01-02T00:00:00Z", "attribute": ["a=b", "c=d"], "outcome": "never"},
)


@pytest.mark.parametrize("answer", [one for one in ANSWERS if one.filtered], ids=lambda one: one.name)
@pytest.mark.parametrize("params", EMPTY, ids=[next(iter(one)) for one in EMPTY])
def test_a_filter_that_matches_nothing_says_so(api: Api, answer: Answer, params: Mapping[str, Any]) -> None:
    found = api.get(path(answer.name), **NEEDED.get(answer.name, {}), **params)
    body = sane(found)
    if found.status_code != 200:
        assert re.search(r"filter|no case|none of|no-such-rule", body["detail"]), body
        return
    assert body["cases"] in (0, []), {key: body[key] for key in list(body)[:6]}
    assert body[answer.rows] == [] or answer.name == "conformance", body


def asked(api: Api, answer: Answer, values: Mapping[str, Sequence[str]]) -> None:
    """As the route asks, without its way through HTTP, which is the same for all."""
    found, needed = api.services, {name: [text] for name, text in NEEDED.get(answer.name, {}).items()}
    try:
        told = answer.of(found.ch, api.shop.tenant, STREAM, NOW, found.models.current, needed | dict(values))
    except OpsintelError as error:
        said, status = error.message, status_of(error)
    else:
        said, status = json.dumps(told, allow_nan=False)[:0], 200
    shown = {name: [text[:80] for text in texts[:3]] for name, texts in values.items()}
    assert status < 500, (shown, said)
    assert "the engine" not in said, (shown, said)
    assert not SQL.search(said.replace("/*filter*/", "")), (shown, said)


MAP = next(one for one in ANSWERS if one.name == "map")


@pytest.mark.parametrize("name", [one.name for one in MAP.parameters])
def test_a_hostile_filter_is_answered_or_refused(api: Api, name: str) -> None:
    read = next(one.read for one in MAP.parameters if one.name == name)
    for text in HOSTILE if LONG or read is not str else NAMES:
        asked(api, MAP, {name: [text]})


@pytest.mark.parametrize("answer", [one for one in ANSWERS if one.options], ids=lambda one: one.name)
def test_a_hostile_option_is_answered_or_refused(api: Api, answer: Answer) -> None:
    for option in answer.options:
        for text in HOSTILE if LONG or option.read is not str else NAMES:
            asked(api, answer, {option.name: [text]})


@pytest.mark.parametrize("text", ["--5", "9" * 5_000, "0001-01-01T00:00:00Z", "\x00"])
@pytest.mark.parametrize("name", ["start", "variant", "attribute"])
def test_a_hostile_filter_over_http(api: Api, name: str, text: str) -> None:
    sane(api.get(path("map"), **{name: text}))


MANY: Sequence[tuple[str, Sequence[str]]] = (
    ("contains", [f"step {n}" for n in range(10_000)]),
    ("misses", [f"step {n}" for n in range(10_000)]),
    ("follows", [f"{n}->{n}" for n in range(10_000)]),
    ("attribute", [f"{n}=x" for n in range(10_000)]),
    ("attribute", [f"one={n}" for n in range(10_000)]),
    ("without", [f"{n}=x" for n in range(10_000)]),
    ("variant", [str(2**63 + n) for n in range(10_000)]),
    ("outcome", [f"event {n}" for n in range(10_000)]),
)


@pytest.mark.parametrize(("name", "values"), MANY, ids=[f"{name} {values[1]}" for name, values in MANY])
def test_thousands_of_values_are_answered_or_refused(api: Api, name: str, values: Sequence[str]) -> None:
    """Neither does the engine choke, nor does it have to think for long."""
    for answer in ANSWERS:
        if answer.name in ("map", "waiting-causes"):
            asked(api, answer, {name: values})
            asked(api, answer, {name: values[:100]})
    sane(api.get(path("map"), **{name: values[:1_000]}))


@pytest.mark.parametrize("stream", ["nope", "'; DROP TABLE cases; --", "%00", "é", "..", "x" * 3_000, "a%2Fb", "{x}"])
@pytest.mark.parametrize("answer", ["map", "summary", "conformance", "cases/none"])
def test_a_stream_that_is_not_there_is_a_404(api: Api, stream: str, answer: str) -> None:
    found = api.get(f"/api/v1/processes/{stream}/{answer}")
    assert found.status_code in (307, 400, 404), found.text
    if found.status_code != 307:
        sane(found)
