"""What is known of the value streams beforehand: owners, terminal events, what a case is worth. Data, in TOML.

A stream that is not listed is a process like any other, but nobody knows when a case of it is over, so it is never
waited for.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Any

from core.errors import ConfigurationError


@dataclass(frozen=True)
class ValueStream:
    """One stream; the fields are explained on top of value_streams.toml."""

    name: str
    owner: str
    terminal: tuple[str, ...]
    running: tuple[str, ...] = ()
    value: tuple[str, ...] = ()
    details: tuple[str, ...] = ()
    owners: Mapping[str, str] = field(default_factory=dict)

    def owner_after(self, step: str, event_name: str) -> str:
        """The system that has the next move after the step."""
        return self.owners.get(step) or self.owners.get(event_name) or self.owner


def parse_streams(text: str) -> Mapping[str, ValueStream]:
    """Reads the TOML; raises ConfigurationError that names the stream and the key."""
    streams = {name: _stream(name, table) for name, table in tomllib.loads(text).items()}
    return MappingProxyType(streams)


@cache
def value_streams() -> Mapping[str, ValueStream]:
    """The streams the product knows, by name."""
    return parse_streams(resources.files(__package__).joinpath("value_streams.toml").read_text("utf-8"))


def _stream(name: str, table: dict[str, Any]) -> ValueStream:
    lists = {key: table.get(key, []) for key in ("terminal", "running", "value", "details")}
    unknown = set(table) - set(lists) - {"owner", "owners"}
    if unknown:
        raise ConfigurationError(f"stream {name}: unknown key {min(unknown)!r}")
    owner, owners = table.get("owner"), table.get("owners", {})
    if not isinstance(owner, str) or not owner:
        raise ConfigurationError(f"stream {name}: owner must be the name of a system, got {owner!r}")
    for key, value in lists.items():
        if not isinstance(value, list) or not all(isinstance(item, str) and item for item in value):
            raise ConfigurationError(f"stream {name}: {key} must be a list of event names, got {value!r}")
    if not lists["terminal"]:
        raise ConfigurationError(f"stream {name}: terminal must name an event, or no case would ever end")
    if not isinstance(owners, dict) or not all(isinstance(item, str) and item for item in owners.values()):
        raise ConfigurationError(f"stream {name}: owners must map events to systems, got {owners!r}")
    return ValueStream(name, owner, owners=MappingProxyType(owners), **{k: tuple(v) for k, v in lists.items()})
