"""The pollers' file: bad ones and the words they are refused with, and the examples of the page."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from collector.pollers import load_pollers
from collector.pollers.config import parse_pollers
from collector.pollers.models import KINDS, HttpJson, RabbitMq
from core import ConfigurationError

HERE = Path(__file__).parent / "files"
PAGE = Path(__file__).parents[3] / "docs" / "pollers.md"


@pytest.mark.parametrize("file", sorted((HERE / "bad").glob("*.toml")), ids=lambda file: file.stem)
def test_bad(file: Path) -> None:
    """Each file names the message it expects in its first line."""
    expected = file.read_text("utf-8").splitlines()[0].removeprefix("# expect: ")
    with pytest.raises(ConfigurationError) as caught:
        load_pollers(file)
    assert expected in str(caught.value)
    assert file.name in str(caught.value)


def test_a_missing_file() -> None:
    with pytest.raises(ConfigurationError, match="there is no pollers file"):
        load_pollers(HERE / "nowhere.toml")


def test_the_examples_of_the_page() -> None:
    """There is one of every kind, and they are right."""
    examples = re.findall(r"^```toml\n(.*?)^```", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    kinds = [poller.kind for example in examples for poller in parse_pollers(example, "page")]
    assert set(kinds) == set(KINDS)
    assert len(kinds) == len(examples)


def test_the_page_names_every_common_key_and_reason() -> None:
    from collector.pollers.models import Poller
    from collector.pollers.readings import Reason

    page = PAGE.read_text("utf-8")
    for name in [*Poller.model_fields, *Reason]:
        assert f"`{name}`" in page, name


def test_defaults_are_weaker_than_the_poller() -> None:
    text = """
    [defaults]
    interval_s = 30
    tenant = "shop"
    [[poller]]
    name = "a"
    kind = "rabbitmq"
    url = "http://h:1"
    [[poller]]
    name = "b"
    kind = "http_json"
    interval_s = 5
    url = "http://h:1"
    each = { items = "", depth = "" }
    """
    first, second = parse_pollers(text, "f")
    assert isinstance(first, RabbitMq)
    assert isinstance(second, HttpJson)
    assert (first.interval_s, first.tenant, first.vhosts) == (30.0, "shop", ("*",))
    assert second.pace.interval_s == 5.0


def test_an_empty_file() -> None:
    assert parse_pollers("", "f") == ()
