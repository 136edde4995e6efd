"""Rules as data: good and bad files, and what a rule makes of a reading."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from alerts import Rule, Verdict, load_rules
from alerts.rules import Reading, parse_rules
from core import ConfigurationError

HERE = Path(__file__).parent / "rules"
NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


@pytest.mark.parametrize("file", sorted((HERE / "bad").glob("*.toml")), ids=lambda file: file.stem)
def test_bad(file: Path) -> None:
    """Each file names the message it expects in its first line."""
    expected = file.read_text().splitlines()[0].removeprefix("# expect: ")
    with pytest.raises(ConfigurationError) as caught:
        load_rules(file)
    assert expected in str(caught.value)
    assert file.name in str(caught.value)


def test_good() -> None:
    edge, queue = load_rules(HERE / "good" / "both_kinds.toml")
    assert (edge.id, edge.threshold, edge.timing.for_s, edge.min_sample_size) == ("one-edge", 0.1, 60.0, 10)
    assert (queue.id, queue.threshold, queue.timing.keep_firing_for_s) == ("old-work", 1800.0, 0.0)
    assert load_rules(HERE / "good" / "empty.toml") == ()


def test_a_missing_file() -> None:
    with pytest.raises(ConfigurationError, match="there is no rules file"):
        load_rules(HERE / "nowhere.toml")


def test_the_built_in_rules() -> None:
    failing, backing_up, ledger = load_rules()
    assert (ledger.id, ledger.kind, ledger.severity, ledger.for_s) == ("ledger-imbalance", "ledger", "critical", 0)
    assert (failing.kind, backing_up.kind) == ("kpi", "queue_depth")
    reading = Reading({"edge": "a->b"}, 0.123, NOW, 1_200, values={"numerator": 148.0, "denominator": 1200.0})
    assert failing.texts("default", reading)["summary"] == (
        "a->b: 12.3 % of calls fail (148 of 1,200 calls; alert above 5.0 %)"
    )
    values = {"depth": 312.0, "usual_depth": 14.5, "oldest_age_s": 5_460.0}
    texts = backing_up.texts("default", Reading({"destination": "warehouse.pick"}, 21.5, NOW, values=values))
    assert texts["summary"] == "warehouse.pick: 312 items wait, usual at this hour is 14.5; the oldest for 1 h 31 min"
    assert texts["title"] == "Queue backing up"


def rule(comparison: str = ">", threshold: float = 10.0, min_sample_size: int = 0) -> Rule:
    (made,) = parse_rules(
        f"""
        [[rules]]
        id = "r"
        name = "R"
        kind = "kpi"
        selector = {{ kpi_id = "k" }}
        comparison = "{comparison}"
        threshold = {threshold}
        min_sample_size = {min_sample_size}
        severity = "info"
        summary = "{{value}}"
        """,
        "test",
    )
    return made


@pytest.mark.parametrize(
    ("comparison", "value", "verdict"),
    [
        (">", 10.0, Verdict.CLEAR),
        (">", 10.1, Verdict.BREACH),
        (">=", 10.0, Verdict.BREACH),
        (">=", 9.9, Verdict.CLEAR),
        ("<", 10.0, Verdict.CLEAR),
        ("<", 9.9, Verdict.BREACH),
        ("<=", 10.0, Verdict.BREACH),
        ("<=", 10.1, Verdict.CLEAR),
    ],
)
def test_comparisons_at_the_threshold(comparison: str, value: float, verdict: Verdict) -> None:
    assert rule(comparison).judge(Reading({}, value, NOW)).verdict is verdict


@pytest.mark.parametrize("value", [None, float("nan"), float("inf")])
def test_no_usable_value_is_no_data(value: float | None) -> None:
    assert rule().judge(Reading({}, value, NOW)).verdict is Verdict.NO_DATA


def test_no_reading_is_no_data() -> None:
    assert rule().judge(None).verdict is Verdict.NO_DATA


def test_sample_sizes() -> None:
    """One failed call out of one is not a failure rate of 100 %; a sample of unknown size is not small."""
    strict = rule(min_sample_size=20)
    assert strict.judge(Reading({}, 99.0, NOW, 19)).verdict is Verdict.SMALL_SAMPLE
    assert strict.judge(Reading({}, 99.0, NOW, 20)).verdict is Verdict.BREACH
    assert strict.judge(Reading({}, 99.0, NOW)).verdict is Verdict.BREACH


def test_a_quiet_reading_never_breaches() -> None:
    assert rule().judge(Reading({}, 99.0, NOW, quiet=True)).verdict is Verdict.CLEAR
