"""Answers about cases over HTTP: fresh, filtered, documented, and clear about a wrong question."""

from __future__ import annotations

import pytest

from api.process import ANSWERS
from tests.unit.api.service import Api
from tests.unit.api.test_routes import refused
from tests.unit.kpis_process.spans import L, S, store
from tests.unit.kpis_process.test_objects import LOG


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


def test_waits_in_queues(api: Api) -> None:
    """Of a consumer that does not name its case; filtered like the other answers."""
    stream, case = f"stream-{api.shop.mark}", f"case-{api.shop.mark}"
    queue = {"messaging.destination.name": "parcels"}
    store(
        api.services.ch,
        api.shop.tenant,
        [
            S("q", "p", stream=stream, case=case, kind="Producer", start=0, end=1, attributes=queue),
            S("r", "c", kind="Consumer", step="load", start=3, end=4, links=(("q", "p"),)),
        ],
    )
    api.services.resolution.run_once(api.shop.tenant)
    path = f"/api/v1/processes/{stream}/queue-waits"
    (found,) = api.get(path).json()["queues"]
    assert (found["destination"], found["step"], found["n"], found["wait"]["median_s"]) == ("parcels", "load", 1, 2.0)
    assert api.get(path, misses="load").json() == {"stream": stream, "queues": [], "cases": 0}
    timeline = api.get(f"/api/v1/processes/{stream}/cases/{case}").json()
    assert "load" in {one["step"] for one in timeline["steps"]}
    assert "r" in {one["trace_id"] for one in timeline["spans"]}


def test_a_process_by_object(api: Api) -> None:
    """Its name has a slash; other answers and its cases are asked for by it."""
    stream = f"objects-{api.shop.mark}"
    store(api.services.ch, api.shop.tenant, [L(**{**vars(one), "stream": stream}) for one in LOG])
    base = f"/api/v1/processes/{stream}"
    found = api.get(f"{base}/flatten", type="item").json()
    assert (found["stream"], found["cases"], found["convergence"], found["divergence"]) == (f"{stream}/item", 3, 2, 0)
    assert api.get(f"{base}/item/map").json()["events"] == 7
    assert [one["step"] for one in api.get(f"{base}/item/cases/i2").json()["steps"]] == ["place", "pick"]
    assert "the types are item, order" in refused(api.get(f"{base}/flatten", type="parcel"), 404)
    assert "type is missing" in refused(api.get(f"{base}/flatten"), 400)


def test_a_case_may_be_called_like_an_answer(api: Api) -> None:
    stream = f"named-{api.shop.mark}"
    store(
        api.services.ch, api.shop.tenant, [L("a", 0, stream=stream, case="x/map"), L("a", 0, stream=stream, case="map")]
    )
    for case in ("x/map", "map"):
        assert api.get(f"/api/v1/processes/{stream}/cases/{case}").json()["case_id"] == case
