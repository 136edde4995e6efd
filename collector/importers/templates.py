"""What a row of an ordinary table means in business events: the part of the mapping under `[[event]]`, checked.

A *text* is a pattern: `{name}` stands for a column or a derived field, `{#row}` for the row's number, `{{` and `}}` for
braces. Where a name in it has no value, the whole text is empty. A *field* is a column, or a name that `unpivot`,
`split` or `lookup` gives. Whether the columns exist is known only with the file, see `template_rows.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StrictStr, field_validator, model_validator

ROW = "#row"
"""The field that holds the row's number, from 1."""
MAX_TEMPLATES = 100
MAX_RANK = 99
_PIECE = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
_LEAF = ("equals", "in_", "starts_with", "greater_than", "at_least", "less_than", "at_most", "is_empty")
_NUMERIC = ("greater_than", "at_least", "less_than", "at_most")


def pieces(text: str) -> list[tuple[str, bool]]:
    """The text as (literal, False) and (field name, True); raises ValueError for a brace that is none of both."""
    found, literal, end = list[tuple[str, bool]](), "", 0
    for match in _PIECE.finditer(text):
        literal += text[end : match.start()]
        end = match.end()
        if match[0] in {"{{", "}}"}:
            literal += match[0][0]
        elif match[1]:
            if literal:
                found.append((literal, False))
            literal = ""
            found.append((match[1], True))
        else:
            raise ValueError(f"{match[0]!r} in {text!r} names no column; write {{name}}, or {{{{ for a brace")
    literal += text[end:]
    return [*found, (literal, False)] if literal or not found else found


def fields_of(text: str) -> set[str]:
    """The names that the text stands on."""
    return {name for name, is_field in pieces(text) if is_field}


class Part(BaseModel):
    """Of a mapping: unknown keys are errors, nothing is changed afterwards."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=False, populate_by_name=True)


class When(Part):
    """One comparison of a field, or `all`, `any` or `not` of others. Numbers are compared as numbers."""

    column: StrictStr = Field("", description="The field that is looked at.")
    equals: StrictStr | None = None
    in_: tuple[StrictStr, ...] | None = Field(None, alias="in", min_length=1)
    starts_with: StrictStr | None = Field(None, min_length=1)
    greater_than: float | None = Field(None, strict=True, allow_inf_nan=False)
    at_least: float | None = Field(None, strict=True, allow_inf_nan=False)
    less_than: float | None = Field(None, strict=True, allow_inf_nan=False)
    at_most: float | None = Field(None, strict=True, allow_inf_nan=False)
    is_empty: bool | None = Field(None, strict=True)
    all_: tuple[When, ...] | None = Field(None, alias="all", min_length=1)
    any_: tuple[When, ...] | None = Field(None, alias="any", min_length=1)
    not_: When | None = Field(None, alias="not")

    @model_validator(mode="after")
    def _one_thing(self) -> Self:
        given = [name for name in _LEAF if getattr(self, name) is not None]
        groups = [name for name in ("all_", "any_", "not_") if getattr(self, name) is not None]
        names = ", ".join(name.strip("_") for name in [*given, *groups]) or "nothing"
        if len(given) + len(groups) != 1:
            raise ValueError(f"a condition is one comparison, or one of all, any, not; got {names}")
        if given and not self.column:
            raise ValueError(f"{names} needs a column to look at")
        if groups and self.column:
            raise ValueError(f"{names} takes conditions, so column = {self.column!r} belongs into them")
        return self

    @property
    def operator(self) -> str:
        """The one comparison, or `all_`, `any_`, `not_`."""
        return next(name for name in (*_LEAF, "all_", "any_", "not_") if getattr(self, name) is not None)

    @property
    def numeric(self) -> bool:
        """Whether the field must hold a number."""
        return self.operator in _NUMERIC

    def fields(self) -> set[str]:
        """Every field that the condition looks at."""
        parts = [*(self.all_ or ()), *(self.any_ or ()), *([self.not_] if self.not_ else [])]
        return {self.column} - {""} | {name for part in parts for name in part.fields()}


class Number(Part):
    """A number: a column, the product of columns, how many elements a list has, or always the same."""

    column: StrictStr = ""
    product: tuple[StrictStr, ...] = ()
    count: StrictStr = Field("", description="A column with a list; the number is how many elements it has.")
    constant: float | None = Field(None, strict=True, allow_inf_nan=False)
    sign: Literal["positive", "abs", "negate", "any"] = "positive"

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        given = [bool(self.column), bool(self.product), bool(self.count), self.constant is not None]
        if sum(given) != 1:
            raise ValueError("a number is one of column, product, count, constant")
        if self.product and len(self.product) < 2:
            raise ValueError(f"a product needs two columns or more, got {list(self.product)!r}")
        return self

    def fields(self) -> set[str]:
        """Every field that the number is made of."""
        return {self.column, self.count, *self.product} - {""}


class Value(Part):
    """What an attribute says: a text, or a time that is written as ISO 8601 with an offset."""

    text: StrictStr = ""
    time: StrictStr = Field("", description="A column with a time, read as the timestamps are.")

    @field_validator("text")
    @classmethod
    def _readable(cls, value: str) -> str:
        pieces(value)
        return value

    @model_validator(mode="after")
    def _one(self) -> Self:
        if bool(self.text) == bool(self.time):
            raise ValueError("an attribute is a text or { time = COLUMN }")
        return self

    def fields(self) -> set[str]:
        """Every field that the value stands on."""
        return {self.time} if self.time else fields_of(self.text)


class EventTemplate(Part):
    """One business event that a row may give."""

    name: StrictStr = Field(min_length=1, description="The event's name, as the catalogue has it.")
    id: StrictStr = Field("", description="Tells it from others of the same name in event ids; default: the name.")
    stream: StrictStr = Field("", description="The value stream; default: the mapping's.")
    timestamp: tuple[StrictStr, ...] = Field(min_length=1, description="Columns; the first filled one is the time.")
    start: StrictStr = ""
    when: When | None = None
    case: StrictStr = Field("", description="A text; without one the event belongs to no case.")
    quantity: Number | None = None
    amount: Number | None = None
    currency: StrictStr = Field("", description="A text.")
    rank: int = Field(0, ge=0, le=MAX_RANK, strict=True, description="Orders events of the same time, lowest first.")
    attributes: dict[str, Value] = Field(default_factory=dict)

    @field_validator("timestamp", mode="before")
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value

    @field_validator("quantity", "amount", mode="before")
    @classmethod
    def _column_or_more(cls, value: Any) -> Any:
        return {"column": value} if isinstance(value, str) else value

    @field_validator("attributes", mode="before")
    @classmethod
    def _texts_or_more(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return {key: {"text": one} if isinstance(one, str) else one for key, one in value.items()}

    @field_validator("case", "currency")
    @classmethod
    def _readable(cls, value: str) -> str:
        pieces(value)
        return value

    def fields(self) -> set[str]:
        """Every field that the event needs."""
        found = {*self.timestamp, self.start} | fields_of(self.case) | fields_of(self.currency)
        for part in (self.when, self.quantity, self.amount, *self.attributes.values()):
            found |= part.fields() if part else set()
        return found - {""}


class Unpivot(Part):
    """Columns become rows: the column's name is one field and what it holds another."""

    columns: tuple[StrictStr, ...] = ()
    all_except: tuple[StrictStr, ...] = ()
    name: StrictStr = Field(min_length=1)
    value: StrictStr = Field(min_length=1)
    skip: tuple[Literal["empty", "zero"], ...] = ()

    @model_validator(mode="after")
    def _which(self) -> Self:
        if bool(self.columns) == bool(self.all_except):
            raise ValueError("give either columns, or all_except")
        if self.name == self.value:
            raise ValueError(f"name and value are both {self.name!r}")
        return self


class Split(Part):
    """A column with a list becomes rows, an element each; an empty list leaves the field empty."""

    column: StrictStr = Field(min_length=1)
    field: StrictStr = Field(min_length=1)
    separator: StrictStr = ""


class Lookup(Part):
    """A field with what an earlier row said (the last one wins): rows that pass `when` store `value` under `key`."""

    key: StrictStr = Field(min_length=1)
    value: StrictStr = Field(min_length=1)
    when: When | None = None

    @field_validator("key", "value")
    @classmethod
    def _readable(cls, value: str) -> str:
        pieces(value)
        return value

    def fields(self) -> set[str]:
        """Every field that is needed to store and to find."""
        return fields_of(self.key) | fields_of(self.value) | (self.when.fields() if self.when else set())


def derived_names(unpivot: Unpivot | None, split: tuple[Split, ...], lookup: dict[str, Lookup]) -> Iterator[str]:
    """The fields that are no columns, in the order in which they are filled."""
    if unpivot:
        yield from (unpivot.name, unpivot.value)
    yield from (one.field for one in split)
    yield ROW
    yield from lookup
