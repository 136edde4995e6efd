"""How the columns of a file become events: which is the case, the activity, the times, and what the rest is called.

A mapping comes from a TOML file, from options, or from both (options win). It is checked completely before a file is
opened; whether its columns exist is only known with the file, see `interpret.py`. It does not guess: no column is
used because of its name alone.
"""

from __future__ import annotations

import codecs
import difflib
import tomllib
import typing
import zoneinfo
from collections.abc import Sequence
from datetime import UTC, tzinfo
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, ValidationError, field_validator, model_validator

from collector.importers.rows import CLASSIFIED, OCEL_ACTIVITY, OCEL_CASES, OCEL_TIME, STARTED
from collector.importers.templates import (
    MAX_TEMPLATES,
    ROW,
    EventTemplate,
    Lookup,
    Part,
    Split,
    Unpivot,
    derived_names,
)
from core.errors import InvalidInput, NotFound

NUMBERED = ("quantity", "amount")
"""Columns whose text must be a number when it is not empty."""
NAMED = {
    "resource": "retail.resource",
    "actor_type": "retail.actor.type",
    "quantity": "retail.quantity",
    "amount": "retail.amount",
    "currency": "retail.currency",
}
"""The attributes that mapped columns become."""
RESERVED = frozenset(
    {
        "retail.stream", "retail.case.id", "retail.step", "retail.step.start", "retail.seq", "retail.event.id",
        "retail.event.origin.id", "retail.objects", "retail.object.type", "retail.object.id",
        "retail.object.attributes",
    }
)  # fmt: skip
"""Attributes that the importer writes itself; nothing else may be called so."""
XES_COLUMNS = {
    "case": "case:concept:name",
    "activity": "concept:name",
    "timestamp": "time:timestamp",
    "resource": "org:resource",
    "amount": "cost:total",
    "currency": "cost:currency",
}
"""What the standard extensions of XES mean; used where the mapping does not say otherwise."""
OCEL_COLUMNS = {"activity": OCEL_ACTIVITY, "timestamp": OCEL_TIME}


class Columns(Part):
    """Column names, as the header writes them; an empty name means the file has no such column."""

    case: str = Field("", description="The business key of the workflow instance.")
    activity: str = Field("", description="What happened; becomes the event name and the step.")
    timestamp: str = Field("", description="When it happened, or ended where a start is mapped too.")
    start: str = Field("", description="When it started; an empty cell means unknown, not zero.")
    resource: str = Field("", description="Who or what did it.")
    system: str = Field("", description="The system it happened in; becomes service.name.")
    actor_type: str = Field("", description="`human`, `system` or `agent`.")
    quantity: str = Field("", description="A number of units.")
    amount: str = Field("", description="A number of money.")
    currency: str = Field("", description="The currency of the amount, ISO 4217.")


_NO_COLUMNS = Columns.model_validate({})


class Keep(Part):
    """A row is used only when the column's text is one of these."""

    column: str = Field(min_length=1)
    equals: tuple[str, ...] = Field(min_length=1)

    @field_validator("equals", mode="before")
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value


class Wide(Part):
    """One row is one case; every filled column of these is an event named after the column."""

    timestamps: tuple[str, ...] = Field(min_length=1)


class Explode(Part):
    """The column holds a list as text (JSON, Python, or parts between separators): one event for each element."""

    column: str = Field(min_length=1)
    separator: str = ""


class ColumnMapping(Part):
    """A complete and valid mapping. `zone` is derived, the rest is what was asked for."""

    stream: str = Field(min_length=1)
    columns: Columns = Field(default_factory=lambda: Columns.model_validate({}))
    keep: tuple[Keep, ...] = ()
    wide: Wide | None = None
    explode: Explode | None = None
    event: tuple[EventTemplate, ...] = Field((), max_length=MAX_TEMPLATES, description="Events that a row may give.")
    unpivot: Unpivot | None = None
    split: tuple[Split, ...] = ()
    lookup: dict[str, Lookup] = Field(default_factory=dict, description="Fields that earlier rows fill.")
    activity_names: dict[str, str] = Field(default_factory=dict, description="Other event names for activities.")
    attributes: dict[str, str] = Field(default_factory=dict, description="Other attribute names for columns.")
    objects: dict[str, str] = Field(
        default_factory=dict, description="Object types and the columns with the ids (one, or a list) of such objects."
    )
    constants: dict[str, str] = Field(default_factory=dict, description="Attributes that every event gets.")
    other_columns: Literal["all", "none"] = Field("all", description="Whether unmapped columns become attributes.")
    system: str = Field("import", min_length=1, description="service.name where no system column says otherwise.")
    timezone: str = Field("UTC", description="IANA zone of times that carry no offset.")
    timestamp_format: str = Field(
        "iso", description="`iso`, `epoch_s`, `epoch_ms`, `epoch_us`, `epoch_ns` or strptime."
    )
    delimiter: str = Field(
        "", description="One character; empty means that with which the header has the mapping's columns."
    )
    encoding: str = Field("utf-8-sig", description="Text encoding of a CSV file.")
    case_object: str = Field("", description="OCEL: the object type that is the case.")
    classifier: str = Field("", description="XES: the classifier that makes the activity.")
    lifecycle: Literal["all", "pairs", "complete"] = Field("all", description="XES: which transitions are steps.")
    source: str = Field("", description="Names the data in event ids; empty means the content's checksum does.")

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            zoneinfo.ZoneInfo(value)
        except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(f"{value!r} is not an IANA time zone such as UTC or America/Sao_Paulo") from None
        return value

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, value: str) -> str:
        try:
            if "a".encode(value) and codecs.lookup(value):
                return value
        except (LookupError, ValueError):
            pass
        raise ValueError(f"{value!r} is not a text encoding such as utf-8-sig, latin-1 or cp1252")

    @field_validator("delimiter")
    @classmethod
    def _one_character(cls, value: str) -> str:
        if len(value) > 1 or value in {'"', "\n", "\r"}:
            raise ValueError(f"must be one character and no quote or line end, got {value!r}")
        return value

    @field_validator("timestamp_format")
    @classmethod
    def _known_format(cls, value: str) -> str:
        if value not in {"iso", "epoch_s", "epoch_ms", "epoch_us", "epoch_ns"} and "%" not in value:
            raise ValueError(f"must be iso, epoch_s, epoch_ms, epoch_us, epoch_ns or a strptime format, got {value!r}")
        return value

    @model_validator(mode="after")
    def _complete(self) -> Self:
        columns = self.columns
        if self.event:
            self._check_templates()
            return self
        if extra := [name for name in ("unpivot", "split", "lookup") if getattr(self, name)]:
            raise ValueError(f"{' and '.join(extra)} needs [[event]]: what does a row become?")
        if self.explode and columns.case not in {"", self.explode.column}:
            raise ValueError("with explode the elements are the cases, so columns.case must be left out")
        if not self.explode and not columns.case:
            raise ValueError("columns.case is missing: which column holds the case?")
        if self.wide:
            extra = [name for name in ("activity", "timestamp", "start") if getattr(columns, name)]
            if extra:
                raise ValueError(f"with wide the columns {', '.join(extra)} must be left out")
            if len(set(self.wide.timestamps)) < len(self.wide.timestamps):
                raise ValueError("wide.timestamps names a column twice")
        else:
            for name in ("activity", "timestamp"):
                if not getattr(columns, name):
                    raise ValueError(f"columns.{name} is missing: which column holds the {name}?")
        if not all(kind.strip() and column for kind, column in self.objects.items()):
            raise ValueError("objects: every object type needs a name and a column")
        self._attribute_names()
        return self

    def _check_templates(self) -> None:
        other = ("columns", "wide", "explode", "activity_names", "attributes", "objects")
        if extra := [name for name in other if getattr(self, name) not in (None, {}, _NO_COLUMNS)]:
            raise ValueError(f"with [[event]] the keys {', '.join(extra)} must be left out: the events say it all")
        names = list(derived_names(self.unpivot, self.split, self.lookup))
        if twice := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"the fields {sorted(twice)} are given twice by unpivot, split and lookup")
        known = set(names[: names.index(ROW) + 1])
        for name, lookup in self.lookup.items():
            if later := (lookup.fields() & set(names)) - known:
                raise ValueError(f"lookup.{name} looks at {sorted(later)[0]!r}, which is filled after it")
            known.add(name)
        ids = [event.id or event.name for event in self.event]
        for place, event in enumerate(self.event):
            where = f"event.{place} ({event.name})"
            if ids.index(ids[place]) != place:
                raise ValueError(f"{where}: there is another event {ids[place]!r}: give one of them an id of its own")
            if not event.name.strip() or ":" in ids[place]:
                raise ValueError(f"{where}: the id {ids[place]!r} must not be blank or have a colon")
            written = [key for key in ("quantity", "amount", "currency") if getattr(event, key)]
            taken = RESERVED | set(self.constants) | {NAMED[key] for key in written}
            if clash := sorted(key for key in event.attributes if key in taken or not key.strip()):
                raise ValueError(
                    f"{where}: the attribute {clash[0]!r} is given twice, blank, or is written by the importer itself"
                )
        if clash := sorted(key for key in self.constants if key in RESERVED or not key.strip()):
            raise ValueError(f"constants: the attribute {clash[0]!r} is blank, or is written by the importer itself")

    def _attribute_names(self) -> None:
        mapped = [attribute for key, attribute in NAMED.items() if getattr(self.columns, key)]
        seen = set(RESERVED)
        for name in [*mapped, *self.attributes.values(), *self.constants]:
            if not name.strip():
                raise ValueError("an attribute needs a name")
            if name in seen:
                raise ValueError(f"the attribute {name!r} is given twice, or is written by the importer itself")
            seen.add(name)

    @property
    def named_columns(self) -> frozenset[str]:
        """Every column that the mapping speaks of."""
        named = [*self.columns.model_dump().values(), *(keep.column for keep in self.keep), *self.attributes]
        named += [*self.objects.values(), *([self.explode.column] if self.explode else [])]
        named += [*(self.wide.timestamps if self.wide else ()), *(split.column for split in self.split)]
        named += [name for event in self.event for name in event.fields()]
        named += [name for lookup in self.lookup.values() for name in lookup.fields()]
        named += [*self.unpivot.columns, *self.unpivot.all_except] if self.unpivot else []
        return frozenset(named) - {"", *derived_names(self.unpivot, self.split, self.lookup)}

    @property
    def zone(self) -> tzinfo:
        """The zone of times without an offset."""
        return UTC if self.timezone == "UTC" else zoneinfo.ZoneInfo(self.timezone)


def build_mapping(
    file: Path | None = None,
    *,
    stream: str | None = None,
    columns: dict[str, str | None] | None = None,
    keep: Sequence[str] = (),
    timezone: str | None = None,
    timestamp_format: str | None = None,
    delimiter: str | None = None,
    encoding: str | None = None,
    case_object: str | None = None,
    classifier: str | None = None,
    lifecycle: str | None = None,
    kind: str = "csv",
) -> ColumnMapping:
    """Reads the mapping file, if any, lets the given options win, and checks the whole.

    `columns` has the keys of `Columns`; None values are left alone. `keep` are texts `COLUMN=VALUE`, added to the
    file's filters; of several for one column any suffices. `kind` is what `detect` found: XES and OCEL say themselves
    where case, activity and time are. Raises NotFound for a missing file and InvalidInput that names the key, the value
    and the way out.
    """
    data = _read(file) if file else {}
    given = {name: name_in_file for name, name_in_file in (columns or {}).items() if name_in_file is not None}
    if given:
        table = data.get("columns", {})
        data["columns"] = {**table, **given} if isinstance(table, dict) else table
    options = {
        "stream": stream,
        "timezone": timezone,
        "timestamp_format": timestamp_format,
        "delimiter": delimiter,
        "encoding": encoding,
        "case_object": case_object,
        "classifier": classifier,
        "lifecycle": lifecycle,
    }
    data |= {key: value for key, value in options.items() if value is not None}
    if keep:
        data["keep"] = [*data.get("keep", []), *_keeps(keep)]
    _defaults(data, kind)
    try:
        return ColumnMapping.model_validate(data)
    except ValidationError as problem:
        where = f"{file}: " if file else ""
        raise InvalidInput(
            where + "; ".join(_explain(dict(e)) for e in problem.errors()), hint="see docs/import.md"
        ) from None


def _defaults(data: dict[str, Any], kind: str) -> None:
    """Fills in what the file's format says itself; refuses what it has no meaning for."""
    xes, ocel = kind == "xes", kind.startswith("ocel")
    for key, fits, what in (("classifier", xes, "XES"), ("lifecycle", xes, "XES"), ("case_object", ocel, "OCEL 2.0")):
        if data.get(key) and not fits:
            raise InvalidInput(f"{key.replace('_', '-')} is for {what}; this file is {kind}")
    if data.get("event") and (xes or ocel):
        raise InvalidInput(f"[[event]] is for tables (CSV, Parquet); this file is {kind}")
    table = data.setdefault("columns", {})
    if not isinstance(table, dict) or not (xes or ocel):
        return
    if ocel:
        if table.get("case") or "explode" in data or "wide" in data:
            raise InvalidInput("in an OCEL log the objects of a type are the cases", hint="use --case-object TYPE")
        data["explode"] = {"column": OCEL_CASES}
        data["columns"] = OCEL_COLUMNS | table
        return
    own = dict(XES_COLUMNS)
    if data.get("classifier"):
        if table.get("activity"):
            raise InvalidInput("either a classifier makes the activity, or a column is it", hint="give one of the two")
        own["activity"] = CLASSIFIED
    if data.get("lifecycle") == "pairs":
        if table.get("start"):
            raise InvalidInput("lifecycle = pairs makes the start times itself", hint="leave the start column out")
        own["start"] = STARTED
    if "explode" in data:
        del own["case"]
    if "wide" in data:
        del own["activity"], own["timestamp"]
    data["columns"] = own | table


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text("utf-8-sig"))
    except FileNotFoundError:
        raise NotFound(f"there is no mapping file {str(file)!r}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
        raise InvalidInput(f"{file}: not a TOML file: {problem}") from None
    except OSError as problem:
        raise InvalidInput(f"{file}: cannot be read: {problem.strerror}") from None


def _keeps(texts: Sequence[str]) -> list[dict[str, Any]]:
    """A filter for each column: one that is given again is any of the values, for it cannot be both."""
    found: dict[str, list[str]] = {}
    for text in texts:
        column, sign, value = text.partition("=")
        if not sign or not column:
            raise InvalidInput(f"a filter is written COLUMN=VALUE, got {text!r}")
        found.setdefault(column, []).append(value)
    return [{"column": column, "equals": values} for column, values in found.items()]


def _explain(error: dict[str, Any]) -> str:
    name = ".".join(str(part) for part in error["loc"])
    if error["type"] == "extra_forbidden":
        close = difflib.get_close_matches(str(error["loc"][-1]), _keys_at(error["loc"][:-1]), 1)
        return f"unknown key {name!r}" + (f", did you mean {close[0]!r}?" if close else "")
    if error["type"] == "missing":
        return f"{name} is missing"
    message = str(error["msg"]).removeprefix("Value error, ")
    if error["type"] != "value_error" and not isinstance(error["input"], dict | list | tuple):
        message += f", got {error['input']!r}"
    return f"{name}: {message}" if name else message


def _keys_at(place: tuple[int | str, ...]) -> list[str]:
    """The keys there are in the table at this place of the mapping."""
    model: type[Part] = ColumnMapping
    for step in place:
        if isinstance(step, str) and (
            found := next((f for k, f in model.model_fields.items() if step in {k, f.alias}), None)
        ):
            model = next(iter(_models(found.annotation)), model)
    return [field.alias or name for name, field in model.model_fields.items()]


def _models(annotation: Any) -> list[type[Part]]:
    if isinstance(annotation, type) and issubclass(annotation, Part):
        return [annotation]
    return [model for inner in typing.get_args(annotation) for model in _models(inner)]
