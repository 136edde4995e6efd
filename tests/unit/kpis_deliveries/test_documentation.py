"""The page about scheduled reports: its example is one, and its table of states is the product's."""

from __future__ import annotations

import re
from pathlib import Path

from kpis import load_catalogue
from kpis.deliveries import load_subscriptions
from kpis.deliveries.states import TRANSITIONS, Input

PAGE = (Path(__file__).parents[3] / "docs" / "report-delivery.md").read_text("utf-8")
MEANINGS = {
    "the file is there (run)": Input.RENDERED,
    "the receiver took it (delivery)": Input.DELIVERED,
    "it did not work now": Input.TRY_LATER,
    "it did not work now, for the twelfth time": Input.EXHAUSTED,
    "it will never work as it is": Input.REJECTED,
    "a person asks for another attempt": Input.ASKED_AGAIN,
}


def test_the_example_is_a_whole_set_of_subscriptions(tmp_path: Path) -> None:
    (example,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "example.toml").write_text(example, "utf-8")
    found = load_subscriptions(tmp_path, {one.id for one in load_catalogue()})
    assert [one.id for one in found] == ["weekly-numbers", "integrations"]
    assert {target.kind for one in found for target in one.to} == {"email", "directory", "s3", "webhook"}


def test_the_table_of_states_is_the_products() -> None:
    rows = re.findall(r"^\| (?!from)([a-z, ]+) \| ([^|]+) \| ([a-z]+) \|$", PAGE, re.MULTILINE)
    told = {(at, MEANINGS[what], to) for froms, what, to in rows for at in froms.split(", ")}
    assert told == {(at.value, given, to.value) for (at, given), to in TRANSITIONS.items()}
