"""Rules: conditions as data, in TOML.

    [[rules]]
    id = "integration-failing"
    name = "Integration failing"
    kind = "kpi"                     # or "queue_depth", "ledger"
    selector = { kpi_id = "integration_failure_rate", grain = "hour", dimension = "edge" }
    comparison = ">"                 # > >= < <=
    threshold = 0.05
    for_s = 120
    keep_firing_for_s = 300
    min_sample_size = 50             # of a KPI's value
    severity = "critical"            # critical, warning, info
    summary = "{edge} fails {value:percent} of its calls"

A rule file replaces the built-in rules. Every mistake in it is an error at start that names the rule, the field and the
value. A rule only judges single readings; time is the state machine's part.
"""

from __future__ import annotations

import math
import operator
import tomllib
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from alerts.state import Observation, Timing, Verdict
from alerts.templates import Value, check_template, render
from core.errors import ConfigurationError, InvalidInput

_COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}
_COMMON_FIELDS = frozenset({"name", "severity", "tenant", "value", "threshold", "sample_size"})
RESERVED_ANNOTATIONS = frozenset({"summary", "title"})


@dataclass(frozen=True)
class Reading:
    """One value that a rule may judge, with the labels that make it one series.

    value is None without data; sample_size is None where it has no meaning; quiet says that the selector's own floor
    makes the value harmless whatever it is. values feed the templates.
    """

    labels: Mapping[str, str]
    value: float | None
    at: datetime
    sample_size: int | None = None
    quiet: bool = False
    values: Mapping[str, Value] = field(default_factory=dict)


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class KpiSelector(_Model):
    """Which KPI values a rule looks at: the latest bucket of a grain, unless it began more than `stale_after_s` ago.

    dimension '' means the total; otherwise every value of the dimension, or only `dimension_value`.
    """

    kpi_id: str = Field(min_length=1)
    basis: str = ""
    grain: Literal["hour", "day"] = "hour"
    dimension: str = ""
    dimension_value: str | None = None
    stale_after_s: float = Field(7_200.0, gt=0)

    @property
    def fields(self) -> frozenset[str]:
        """What templates may name."""
        own = {"kpi_id", "basis", "grain", "dimension_value", "numerator", "denominator", "unit"}
        return frozenset(own | {self.dimension} if self.dimension else own)


class QueueSelector(_Model):
    """Which queues a rule looks at, and which of their measures.

    `over_usual` is the depth divided by the usual depth at this hour of the week (at least 1), no data where the usual
    is not known; a queue with fewer than `min_depth` items never breaches.
    """

    measure: Literal["depth", "oldest_age_s", "over_usual"] = "depth"
    system: str | None = None
    destination: str | None = None
    consumer_group: str | None = None
    min_depth: float = Field(0.0, ge=0)

    @property
    def fields(self) -> frozenset[str]:
        """What templates may name."""
        return frozenset({"system", "destination", "consumer_group", "depth", "oldest_age_s", "usual_depth"})


class LedgerSelector(_Model):
    """Which signals' ledgers a rule looks at; the value is the number of items that do not balance."""

    signal: Literal["traces", "logs", "metrics"] | None = None

    @property
    def fields(self) -> frozenset[str]:
        """What templates may name."""
        return frozenset({"signal", "missing", "extra", "unaccounted", "where"})


class Rule(_Model):
    """One condition; see the module for an example."""

    id: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")
    name: str = Field(min_length=1, max_length=200)
    kind: Literal["kpi", "queue_depth", "ledger"]
    selector: KpiSelector | QueueSelector | LedgerSelector
    comparison: Literal[">", ">=", "<", "<="]
    threshold: Annotated[float, Field(allow_inf_nan=False)]
    for_s: float = Field(0.0, ge=0, le=7 * 86_400)
    keep_firing_for_s: float = Field(0.0, ge=0, le=7 * 86_400)
    severity: Literal["critical", "warning", "info"]
    summary: str = Field(min_length=1)
    annotations: dict[str, str] = Field(default_factory=dict)
    min_sample_size: int = Field(0, ge=0)

    @model_validator(mode="before")
    @classmethod
    def _selector_of_its_kind(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        kinds: dict[Any, type[_Model]] = {
            "kpi": KpiSelector,
            "queue_depth": QueueSelector,
            "ledger": LedgerSelector,
        }
        kind = values.get("kind")
        model = kinds.get(kind) if isinstance(kind, str) else None
        selector = values.get("selector")
        if model is None or not isinstance(selector, dict):
            return values
        try:
            return {**values, "selector": model.model_validate(selector)}
        except ValidationError as problem:
            raise ValueError("selector." + _describe(problem)) from None

    @field_validator("annotations")
    @classmethod
    def _own_names(cls, value: dict[str, str]) -> dict[str, str]:
        for name in value:
            if name in RESERVED_ANNOTATIONS or name.startswith("impact"):
                raise ValueError(f"the annotation {name!r} is written by the service")
        return value

    @model_validator(mode="after")
    def _templates_hold(self) -> Rule:
        fields = _COMMON_FIELDS | self.selector.fields
        for name, text in {"summary": self.summary, **self.annotations}.items():
            try:
                check_template(text, fields)
            except InvalidInput as problem:
                raise ValueError(f"{name}: {problem}") from None
        if self.kind != "kpi" and self.min_sample_size:
            raise ValueError(f"min_sample_size: a {self.kind.partition('_')[0]} has no sample size")
        return self

    @property
    def timing(self) -> Timing:
        """The durations for the state machine."""
        return Timing(self.for_s, self.keep_firing_for_s)

    def judge(self, reading: Reading | None) -> Observation:
        """What a reading says about the condition; None stands for a series that has no reading now."""
        if reading is None or reading.value is None or not math.isfinite(reading.value):
            return Observation(Verdict.NO_DATA)
        if reading.sample_size is not None and reading.sample_size < self.min_sample_size:
            return Observation(Verdict.SMALL_SAMPLE)
        breach = not reading.quiet and _COMPARISONS[self.comparison](reading.value, self.threshold)
        return Observation(Verdict.BREACH if breach else Verdict.CLEAR, reading.value, reading.at)

    def texts(self, tenant: str, reading: Reading) -> dict[str, str]:
        """The annotations for a reading."""
        values: dict[str, Value] = {
            **reading.values,
            **reading.labels,
            "name": self.name,
            "severity": self.severity,
            "tenant": tenant,
            "value": reading.value,
            "threshold": self.threshold,
            "sample_size": reading.sample_size,
        }
        texts = {name: render(text, values) for name, text in self.annotations.items()}
        return {"title": self.name, "summary": render(self.summary, values), **texts}


def load_rules(file: Path | None = None) -> tuple[Rule, ...]:
    """The rules of a file, or the built-in ones; ConfigurationError names file, rule, field and value."""
    if file is None:
        return parse_rules(
            resources.files("alerts").joinpath("builtin/rules.toml").read_text("utf-8"), "built-in rules"
        )
    try:
        return parse_rules(file.read_text("utf-8"), file.name)
    except FileNotFoundError:
        raise ConfigurationError(f"there is no rules file {str(file)!r}") from None
    except (OSError, UnicodeDecodeError) as problem:
        raise ConfigurationError(f"the rules file {str(file)!r} cannot be read: {problem}") from None


def parse_rules(text: str, source: str) -> tuple[Rule, ...]:
    """The rules of a TOML text; `source` names it in errors."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as problem:
        raise ConfigurationError(f"{source}: not TOML: {problem}") from None
    unknown = sorted(set(document) - {"rules"})
    if unknown:
        raise ConfigurationError(f"{source}: unknown key {unknown[0]!r}", hint="the only key is 'rules'")
    items = document.get("rules", [])
    if not isinstance(items, list):
        raise ConfigurationError(f"{source}: 'rules' must be a list of tables, got {items!r}")
    rules = tuple(_rule(source, position, item) for position, item in enumerate(items))
    for name, count in Counter(rule.id for rule in rules).items():
        if count > 1:
            raise ConfigurationError(f"{source}: rule {name!r} is there {count} times")
    return rules


def _rule(source: str, position: int, item: Any) -> Rule:
    # TOML writes 60 where a float is meant; strict models would refuse it.
    if isinstance(item, dict):
        item = {key: _floats(value) for key, value in item.items() if key != "min_sample_size"} | {
            key: value for key, value in item.items() if key == "min_sample_size"
        }
    try:
        return Rule.model_validate(item)
    except ValidationError as problem:
        name = repr(item["id"]) if isinstance(item, dict) and "id" in item else f"number {position + 1}"
        raise ConfigurationError(f"{source}: rule {name}: {_describe(problem)}", hint="see docs/alerts.md") from None


def _floats(value: Any) -> Any:
    if isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    return {key: _floats(inner) for key, inner in value.items()} if isinstance(value, dict) else value


def _describe(problem: ValidationError) -> str:
    lines = []
    for error in problem.errors():
        where = ".".join(str(part) for part in error["loc"])
        message = error["msg"].removeprefix("Value error, ")
        shown = "" if isinstance(error["input"], dict) else f", got {error['input']!r}"
        lines.append(f"{where}: {message}{shown}" if where else message)
    return "; ".join(lines)
