"""What is known of the value streams beforehand: owners, terminal events, service levels, the declared model.

One YAML file a stream, in `models/`; docs/process-models.md explains the keys. A stream without a file is a process
like any other, but nobody knows when a case of it is over, so it is never waited for.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from importlib import resources
from pathlib import PurePath
from types import MappingProxyType
from typing import Any

from core.errors import ConfigurationError
from kpis.process.calendars import Calendar, read_calendars
from kpis.process.located import CLOCK_UNITS, WORKING_UNITS, Entry, each, read_yaml
from kpis.process.rules import END, START, Kind, Rule, read_rules

CALENDARS = "calendars"
SUFFIXES = (".yaml", ".yml")
"""A file called `calendars` holds calendars, every other one a stream."""
NOT_KEYS = ("retail.case.id", "retail.event.id", "retail.event.origin.id", "retail.object.id")
"""Attributes that cannot be the key of a case: the case itself, or what is no case."""
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}")
_EDGE = re.compile(r"[^\s>]+->[^\s>]+")


class ControlAction(StrEnum):
    """What helps when work piles up after a step."""

    PAUSE = "pause"  # stop what feeds it
    RETRY = "retry"  # send again what failed
    REROUTE = "reroute"  # send it another way
    THROTTLE = "throttle"  # feed it more slowly


@dataclass(frozen=True)
class ControlHint:
    """Which edge (`source->target`) carries the work after a step, and which action on it helps."""

    edge: str
    action: ControlAction
    why: str = ""


@dataclass(frozen=True)
class ServiceLevel:
    """A promise: from the first `from_step` to the first `to_step` after it within so many seconds.

    `start` and `end` stand for the first moment of a case and for the event that closes it. With a calendar, the
    seconds are working time.
    """

    name: str
    from_step: str
    to_step: str
    within_s: float
    calendar: str = ""

    @property
    def rule(self) -> Rule:
        """The same as a rule of the model."""
        steps = (self.from_step, self.to_step)
        return Rule(self.name, Kind.LIMIT, steps, self.within_s, self.calendar, why="service level")


@dataclass(frozen=True)
class ValueStream:
    """One stream. Steps are named by their own name or by that of their event.

    `owner`: the system that has the next move where `owners` (step to system) does not say otherwise; `terminal`: what
    ends a case; `running`: after these a case goes on by itself and waits for nobody; `value`: whose amount is the
    case's value; `promise_kept`: what keeps the promise that a case names, if that is not only its end; `details`:
    facts about a case that are no steps of it. `process_owner`: the role that answers for the stream. `calendar`: when
    its work is done, `calendars`: for single steps; '' is around the clock. `control`: step to hint. `spans`: name of a
    span to the step that it is. `keys`: attributes whose value is the id of a case where an item does not name its case
    itself. `rules`: the declared model.
    """

    name: str
    owner: str
    terminal: tuple[str, ...]
    running: tuple[str, ...] = ()
    value: tuple[str, ...] = ()
    details: tuple[str, ...] = ()
    owners: Mapping[str, str] = field(default_factory=dict)
    promise_kept: tuple[str, ...] = ()
    title: str = ""
    process_owner: str = ""
    service_levels: tuple[ServiceLevel, ...] = ()
    calendar: str = ""
    calendars: Mapping[str, str] = field(default_factory=dict)
    control: Mapping[str, ControlHint] = field(default_factory=dict)
    spans: Mapping[str, str] = field(default_factory=dict)
    keys: tuple[str, ...] = ()
    rules: tuple[Rule, ...] = ()

    def owner_after(self, step: str, event_name: str) -> str:
        """The system that has the next move after the step."""
        return self.owners.get(step) or self.owners.get(event_name) or self.owner

    def hint_after(self, step: str, event_name: str) -> ControlHint | None:
        """What helps when work piles up after the step; None when nobody said so."""
        return self.control.get(step) or self.control.get(event_name)

    @property
    def all_rules(self) -> tuple[Rule, ...]:
        """The rules of the model, and the service levels as limits."""
        return (*self.rules, *(level.rule for level in self.service_levels))


@dataclass(frozen=True)
class ModelSet:
    """The streams and the calendars that they refer to, by name."""

    streams: Mapping[str, ValueStream]
    calendars: Mapping[str, Calendar]


def parse_models(files: Iterable[tuple[str, bytes | str]], base: ModelSet | None = None) -> ModelSet:
    """Reads files (name and content) on top of what is there: a stream or calendar of the same name is replaced whole.

    Raises ConfigurationError that names the file, the line and the reason.
    """
    streams: dict[str, tuple[ValueStream, Entry | None]] = {}
    own: set[str] = set()
    calendars = dict(base.calendars) if base else {}
    if base:
        streams = {name: (stream, None) for name, stream in base.streams.items()}
    for file, content in files:
        entry = read_yaml(file, content)
        if PurePath(file).stem == CALENDARS:
            calendars.update(read_calendars(entry))
            continue
        stream = _read_stream(entry)
        if stream.name in own:
            entry.fail(f"another file has the stream {stream.name!r} already")
        own.add(stream.name)
        streams[stream.name] = (stream, entry)
    for stream, read in streams.values():
        _check_calendars(stream, read, calendars)
    return ModelSet(MappingProxyType({name: streams[name][0] for name in sorted(streams)}), MappingProxyType(calendars))


@cache
def packaged_models() -> ModelSet:
    """The streams and calendars that the product comes with."""
    folder = resources.files(__package__).joinpath("models")
    files = sorted((file.name, file.read_bytes()) for file in folder.iterdir() if file.name.endswith(SUFFIXES))
    return parse_models((f"models/{name}", content) for name, content in files)


def value_streams() -> Mapping[str, ValueStream]:
    """The streams the product comes with, by name."""
    return packaged_models().streams


def _read_stream(entry: Entry) -> ValueStream:
    keys = entry.entries(
        (
            "running",
            "value",
            "promise_kept",
            "details",
            "owners",
            "service_levels",
            "calendar",
            "calendars",
            "control",
            "spans",
            "keys",
            "model",
        ),
        ("name", "title", "process_owner", "owner", "terminal"),
    )
    name = keys["name"].text()
    if not _NAME.fullmatch(name):
        keys["name"].fail(f"a name is small letters, digits, dots and dashes, got {name!r}")
    if not keys["terminal"].texts():
        keys["terminal"].fail("terminal must name an event, or no case would ever end")
    stream = ValueStream(
        name=name,
        owner=keys["owner"].text(),
        terminal=keys["terminal"].texts(),
        running=each(keys, "running"),
        value=each(keys, "value"),
        details=each(keys, "details"),
        owners=_named(keys, "owners"),
        promise_kept=each(keys, "promise_kept"),
        title=keys["title"].text(),
        process_owner=keys["process_owner"].text(),
        service_levels=tuple(_level(one) for one in keys["service_levels"].items()) if "service_levels" in keys else (),
        calendar=keys["calendar"].text() if "calendar" in keys else "",
        calendars=_named(keys, "calendars"),
        control=MappingProxyType(
            {step: _hint(one) for step, one in keys["control"].mapping().items()} if "control" in keys else {}
        ),
        spans=_named(keys, "spans"),
        keys=each(keys, "keys"),
        rules=read_rules(keys["model"]) if "model" in keys else (),
    )
    _check_contradictions(stream, keys)
    return stream


def _named(keys: Mapping[str, Entry], key: str) -> Mapping[str, str]:
    return MappingProxyType(keys[key].named() if key in keys else {})


def _level(entry: Entry) -> ServiceLevel:
    keys = entry.entries(("calendar",), ("name", "from", "to", "within"))
    calendar = keys["calendar"].text() if "calendar" in keys else ""
    within = keys["within"].duration_s(WORKING_UNITS if calendar else CLOCK_UNITS)
    begins, ends = keys["from"].text(), keys["to"].text()
    if begins in (END, ends) or ends == START:
        entry.fail(f"a service level runs from a step or {START} to another step or {END}, got {begins!r} to {ends!r}")
    return ServiceLevel(keys["name"].text(), begins, ends, within, calendar)


def _hint(entry: Entry) -> ControlHint:
    keys = entry.entries(("why",), ("edge", "action"))
    edge = keys["edge"].text()
    if not _EDGE.fullmatch(edge):
        keys["edge"].fail(f"an edge is source->target, got {edge!r}")
    action = ControlAction(keys["action"].choice(tuple(ControlAction)))
    return ControlHint(edge, action, keys["why"].text() if "why" in keys else "")


def _check_contradictions(stream: ValueStream, keys: Mapping[str, Entry]) -> None:
    """An event that ends a case is not waited after, and a detail is no step at all."""
    if both := sorted(set(stream.keys) & set(NOT_KEYS)):
        keys["keys"].fail(f"{both[0]} cannot be a key: it is the case itself, or names something else")
    for ends in ("owners", "running", "details", "control"):
        if both := sorted(set(stream.terminal) & set(getattr(stream, ends))):
            keys[ends].fail(f"{both[0]} ends a case, so it cannot be among {ends}")
    for steps in ("owners", "running", "value", "promise_kept", "control"):
        if both := sorted(set(stream.details) & set(getattr(stream, steps))):
            keys[steps].fail(f"{both[0]} is a detail and no step, so it cannot be among {steps}")
    for rule in stream.rules:
        if both := sorted(set(stream.details) & set(rule.steps)):
            keys["model"].fail(f"rule {rule.id!r}: {both[0]} is a detail and no step")
        if other := sorted(set(rule.outcomes) - set(stream.terminal)):
            keys["model"].fail(f"rule {rule.id!r}: {other[0]} does not end a case of this stream")
    names = [rule.id for rule in stream.all_rules]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        keys["service_levels"].fail(f"a rule or service level is called {twice[0]!r} already")


def _check_calendars(stream: ValueStream, read: Entry | None, calendars: Mapping[str, Calendar]) -> None:
    for name in (stream.calendar, *stream.calendars.values(), *(rule.calendar for rule in stream.all_rules)):
        if name and name not in calendars:
            reason = f"there is no calendar {name!r}; there are {', '.join(sorted(calendars)) or 'none'}"
            if read is None:
                raise ConfigurationError(f"stream {stream.name}: {reason}")
            _place_of(read, name).fail(reason)


def _place_of(entry: Entry, word: str) -> Entry:
    """The first value below that is this word, else the entry itself."""
    below: list[Entry] = [entry]
    for one in below:
        if isinstance(one.node.value, str):
            if one.node.value == word:
                return one
        else:
            parts = (part for item in one.node.value for part in (item if isinstance(item, tuple) else (item,)))
            below.extend(Entry(entry.file, part) for part in parts)
    return entry


# --- the short form ---


def parse_streams(text: str) -> Mapping[str, ValueStream]:
    """Streams in a short form without models, in TOML: a table each. Raises ConfigurationError."""
    streams = {name: _stream(name, table) for name, table in tomllib.loads(text).items()}
    return MappingProxyType(streams)


def _stream(name: str, table: dict[str, Any]) -> ValueStream:
    lists = {key: table.get(key, []) for key in ("terminal", "running", "value", "details", "promise_kept")}
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
    terminal, running, value, details, kept = (tuple(items) for items in lists.values())
    return ValueStream(name, owner, terminal, running, value, details, MappingProxyType(owners), kept)
