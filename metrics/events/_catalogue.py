"""Reads the event catalogue from its TOML files into frozen definitions.

Every mistake in the data is an error that names the file and the event: a name given twice, an attribute nobody
defined, a key that is not known. It does not look at telemetry; `_validation` does.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from core.errors import ConfigurationError
from metrics.conventions import ATTRIBUTES, CASE_ID, STREAM, Stream

ANY_STREAM = "any"
_NAMES = frozenset(attribute.name for attribute in ATTRIBUTES)
_KEYS = {"name", "object", "description", "required", "recommended", "case"}


@dataclass(frozen=True)
class EventDefinition:
    """One business event.

    `stream` is the stream it usually belongs to, or `any`. `case` tells whether the event belongs to a workflow
    instance, in which case `retail.stream` and `retail.case.id` are among the `required` attributes.
    """

    name: str
    stream: str
    object: str
    description: str
    case: bool
    required: tuple[str, ...]
    recommended: tuple[str, ...]


@dataclass(frozen=True)
class EventCatalogue:
    """All business events by name."""

    events: Mapping[str, EventDefinition]

    def by_stream(self) -> dict[str, list[EventDefinition]]:
        """The definitions grouped by stream, in the order of the catalogue."""
        groups: dict[str, list[EventDefinition]] = {}
        for event in self.events.values():
            groups.setdefault(event.stream, []).append(event)
        return groups


def parse_events(text: str, source: str) -> list[EventDefinition]:
    """The definitions of one catalogue file; `source` is its name, for the messages.

    Raises ConfigurationError.
    """
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{source} is not valid TOML: {error}") from error
    stream = data.get("stream")
    if stream != ANY_STREAM and stream not in set(Stream):
        raise ConfigurationError(
            f"{source}: stream must be {ANY_STREAM!r} or one of {', '.join(Stream)}, got {stream!r}"
        )
    return [_parse_event(entry, stream, source) for entry in data.get("event", [])]


def _parse_event(entry: dict[str, Any], stream: str, source: str) -> EventDefinition:
    name = str(entry.get("name", ""))
    where = f"{source}: event {name!r}"
    if not name.startswith("retail.") or name.count(".") < 2:
        raise ConfigurationError(f"{where} must be named retail.<object>.<verb>")
    if unknown := sorted(set(entry) - _KEYS):
        raise ConfigurationError(f"{where} has unknown key {unknown[0]!r}; known are {', '.join(sorted(_KEYS))}")
    if missing := sorted({"object", "description"} - set(entry)):
        raise ConfigurationError(f"{where} lacks {missing[0]!r}")
    case = bool(entry.get("case", True))
    required = ((STREAM, CASE_ID) if case else ()) + tuple(entry.get("required", ()))
    recommended = tuple(entry.get("recommended", ()))
    for attribute in (*required, *recommended):
        if attribute not in _NAMES:
            raise ConfigurationError(f"{where} names attribute {attribute!r}, which the conventions do not define")
    if twice := sorted(a for a in set(required + recommended) if (required + recommended).count(a) > 1):
        raise ConfigurationError(f"{where} lists attribute {twice[0]!r} twice")
    return EventDefinition(name, stream, str(entry["object"]), str(entry["description"]), case, required, recommended)


def build_catalogue(definitions: list[EventDefinition]) -> EventCatalogue:
    """A catalogue of these definitions. Raises ConfigurationError when a name is given twice."""
    events: dict[str, EventDefinition] = {}
    for definition in definitions:
        if definition.name in events:
            raise ConfigurationError(f"event {definition.name!r} is defined twice in the catalogue")
        events[definition.name] = definition
    return EventCatalogue(events)


@cache
def load_event_catalogue() -> EventCatalogue:
    """The catalogue that ships with the product; read once, immutable."""
    order = [*Stream, ANY_STREAM]
    found = sorted(
        (file for file in files("metrics.events").iterdir() if file.name.endswith(".toml")),
        key=lambda file: order.index(stem) if (stem := file.name.removesuffix(".toml")) in order else len(order),
    )
    return build_catalogue([e for file in found for e in parse_events(file.read_text("utf-8"), file.name)])
