"""The control file: what it may say, and what each mistake is answered with."""

from __future__ import annotations

from pathlib import Path

import pytest

from control import ControlTarget, load_targets
from core import ConfigurationError

GOOD = """
[[targets]]
id = "om-warehouse"
kind = "edge"
name = "order-management->warehouse"
endpoint_url = "http://127.0.0.1:9100/commands"
verify_url = "http://127.0.0.1:9100/edges/om-warehouse"

[[targets]]
id = "om-warehouse"
kind = "workflow"
name = "returns"
tenant = "north"
endpoint_url = "https://engine.example/commands"
verify_url = "https://engine.example/edges/om-warehouse"
"""


def test_a_good_file(tmp_path: Path) -> None:
    """The same id may exist in two tenants."""
    file = tmp_path / "control.toml"
    file.write_text(GOOD)
    first, second = load_targets(file)
    assert first == ControlTarget(
        id="om-warehouse",
        kind="edge",
        name="order-management->warehouse",
        endpoint_url="http://127.0.0.1:9100/commands",
        verify_url="http://127.0.0.1:9100/edges/om-warehouse",
    )
    assert (first.tenant, second.tenant, second.kind) == ("default", "north", "workflow")


def test_an_empty_file_has_no_targets(tmp_path: Path) -> None:
    file = tmp_path / "control.toml"
    file.write_text("")
    assert load_targets(file) == ()


@pytest.mark.parametrize(
    ("change", "to", "message"),
    [
        ('kind = "edge"', 'kind = "queue"', "target 'om-warehouse': kind: Input should be 'edge' or 'workflow'"),
        ('kind = "edge"\n', "", "target 'om-warehouse': kind: Field required"),
        ('kind = "edge"', 'kind = "edge"\nurl = "x"', "target 'om-warehouse': url: Extra inputs are not permitted"),
        ('id = "om-warehouse"\nkind = "edge"', 'id = "a/b"\nkind = "edge"', "target 'a/b': id: String should match"),
        ('id = "om-warehouse"\nkind = "edge"', 'kind = "edge"', "target number 1: id: Field required"),
        ("http://127.0.0.1:9100/commands", "ftp://x/y", "an endpoint must be an http or https URL, got 'ftp://x/y'"),
        ('tenant = "north"\n', "", "target 'om-warehouse' of tenant 'default' is there 2 times"),
        ("[[targets]]\nid", "[[target]]\nid", "unknown key 'target'; the only key is 'targets'"),
        ("[[targets]]\nid", "[targets]\nid", "Cannot declare ('targets',) twice"),
        ('kind = "edge"', "kind = ", "cannot be read: Invalid value"),
    ],
)
def test_a_bad_file(tmp_path: Path, change: str, to: str, message: str) -> None:
    file = tmp_path / "control.toml"
    file.write_text(GOOD.replace(change, to) if "targets" in change else GOOD.replace(change, to, 1))
    with pytest.raises(ConfigurationError) as caught:
        load_targets(file)
    assert message in str(caught.value)
    assert "control.toml" in str(caught.value)


def test_targets_that_are_no_list(tmp_path: Path) -> None:
    file = tmp_path / "control.toml"
    file.write_text("targets = 3")
    with pytest.raises(ConfigurationError, match="'targets' must be a list of tables, got 3"):
        load_targets(file)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="there is no control file"):
        load_targets(tmp_path / "none.toml")
