"""Answers about cases over HTTP: fresh, filtered, documented, and clear about a wrong question."""

from __future__ import annotations

import pytest

from api.process import ANSWERS
from tests.unit.api.service import Api
from tests.unit.api.test_routes import refused


def test_the_map_is_up_to_date_when_it_is_asked_for(api: Api) -> None:
    """No job has run: the route itself takes in what is new."""
    mark = api.shop.mark
    found = api.get(f"/api/v1/processes/stream-{mark}/map").json()
    assert (found["cases"], found["events"]) == (1, 2)
    (one,) = found["transitions"]
    assert (one["from_step"], one["to_step"], one["count"]) == (f"placed {mark}", f"paid {mark}", 1)
    assert one["gap"]["median_s"] == 60.0
    assert one["waiting"] is None, "no start is known, so nobody knows what of the gap was waiting"
    assert {node["step"]: (node["starts"], node["ends"], node["working"]) for node in found["steps"]} == {
        f"placed {mark}": (1, 0, None),
        f"paid {mark}": (0, 1, None),
    }


def test_the_summary_takes_the_filter_of_every_answer(api: Api) -> None:
    """And a filter that matches nothing is no error."""
    mark = api.shop.mark
    path = f"/api/v1/processes/stream-{mark}/summary"
    whole = api.get(path).json()
    assert (whole["cases"], whole["events"], len(whole["variants"]), len(whole["edges"])) == (1, 2, 1, 1)
    assert api.get(path, contains=f"placed {mark}", min_duration="1m").json() == whole
    none = api.get(path, misses=f"placed {mark}").json()
    assert (none["cases"], none["variants"], none["edges"], none["first"]) == (0, [], [], None)
    assert none["case_duration_s"] == {"median": None, "mean": None, "p90": None}
    assert "no parameter 'contain'" in refused(api.get(path, contain="x"), 400)


def test_a_variant_can_be_selected_by_its_id(api: Api) -> None:
    path = f"/api/v1/processes/stream-{api.shop.mark}"
    (found,) = api.get(f"{path}/variants").json()["variants"]
    assert (found["cases"], found["share"], found["outcomes"]) == (1, 1.0, {"": 1})
    assert isinstance(found["id"], str)
    assert api.get(f"{path}/map", variant=found["id"]).json()["cases"] == 1
    assert api.get(f"{path}/map", variant=str(int(found["id"]) ^ 1)).json()["cases"] == 0


@pytest.mark.parametrize(
    ("params", "cases"),
    [
        ({"contains": "placed {mark}"}, 1),
        ({"contains": ["placed {mark}", "paid {mark}"]}, 1),
        ({"contains": ["placed {mark}", "x"]}, 0),
        ({"misses": "paid {mark}"}, 0),
        ({"misses": "x"}, 1),
        ({"follows": "placed {mark}->paid {mark}"}, 1),
        ({"follows": "paid {mark}->placed {mark}"}, 0),
        ({"min_duration": "1m", "max_duration": "60"}, 1),
        ({"min_duration": "61"}, 0),
        ({"start": "2026-03-02T08:55:30Z", "basis": "started"}, 0),
        ({"start": "2026-03-02T08:55:30Z"}, 1),
        ({"end": "2026-03-02T08:55:30Z"}, 1),
        ({"end": "2026-03-02T08:55:30+01:00"}, 0),
        ({"outcome": "open"}, 1),
        ({"outcome": "closed"}, 0),
        ({"min_events": "2"}, 1),
        ({"min_value": "0"}, 0),
        ({"attribute": "no.such=x"}, 0),
        ({"without": "no.such=x", "contains": "placed {mark}", "outcome": ["open", "closed"]}, 1),
    ],
    ids=str,
)
def test_filters_combine(api: Api, params: dict[str, str | list[str]], cases: int) -> None:
    mark = api.shop.mark
    filled = {
        name: [one.format(mark=mark) for one in value] if isinstance(value, list) else value.format(mark=mark)
        for name, value in params.items()
    }
    assert api.get(f"/api/v1/processes/stream-{mark}/map", **filled).json()["cases"] == cases


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"contain": "x"}, "no parameter 'contain'"),
        ({"start": "yesterday"}, "start: 'yesterday' is no time"),
        ({"start": "2026-03-02T08:55:30"}, "no time zone"),
        ({"start": "2026-03-02T09:00:00Z", "end": "2026-03-02T09:00:00Z"}, "start must be before end"),
        ({"basis": "sometimes"}, "none of active, started, ended, inside"),
        ({"follows": "a"}, "is not written as A->B"),
        ({"min_duration": "-1"}, "must be 0 to"),
        ({"min_duration": "2h", "max_duration": "1h"}, "the least duration"),
        ({"variant": "x"}, "is no whole number"),
        ({"min_value": "nan"}, "must be 0 to"),
        ({"start": ["2026-03-02T09:00:00Z", "2026-03-02T09:00:00Z"]}, "may be given once"),
    ],
    ids=str,
)
def test_a_wrong_question_is_refused_with_what_is_wrong(api: Api, params: dict[str, str], said: str) -> None:
    assert said in refused(api.get(f"/api/v1/processes/stream-{api.shop.mark}/map", **params), 400)


@pytest.mark.parametrize("answer", [one.name for one in ANSWERS])
def test_a_stream_of_others_is_not_there(api: Api, answer: str) -> None:
    path = f"/api/v1/processes/stream-{api.other.mark}/{answer}"
    assert f"stream-{api.shop.mark}" in refused(api.get(path), 404), "the own streams are named"
