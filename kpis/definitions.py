"""The KPI catalogue: definitions are data, a `.toml` with the meaning.

The arithmetic is in it, too, as expressions over a canonical view; or in two statements beside it: `<id>.sql` computes
the values of given buckets, `<id>.touched.sql` names the buckets that newly received data change. A change of meaning
is a new version; values of another version are never mixed in. Loading checks form, not truth: that the engine can
compute an expression is for `kpis.checking`, that it computes what its description says is for the tests.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from core import ConfigurationError, NotFound
from kpis.brand import Brand
from kpis.dimensions import DIMENSIONS
from kpis.periods import Calendar, Grain
from kpis.toml_lines import line_of, line_of_syntax
from kpis.views import VIEWS

PACKAGED = Path(__file__).parent / "catalogue"

Direction = Literal["up", "down"]
Source = Literal["otel_traces", "otel_metrics_gauge", "queue_telemetry"]
Unit = Literal["ratio", "seconds", "count", "money", "per_case"]
Statistic = Literal["ratio", "sum", "mean", "median", "p90", "level", "age"]
LEVELS: tuple[Statistic, ...] = ("level", "age")
"""How many subjects are open at the end of a bucket, and for how long on average: see `kpis.levels`."""
Driver = Literal["", "touches", "delay_hours", "orders", "refunds", "money"]

COMPUTE_PARAMETERS = ("{tenant:String}", "{buckets:Array(DateTime('UTC'))}")
ENDS, CALENDAR = "{ends:Array(DateTime('UTC'))}", ("{grain:String}", "{tz:String}")
"""A statement is told where its buckets end, or tells from the grain and the time zone."""
CASES_PARAMETERS = ("{tenant:String}", "{start:DateTime64(9, 'UTC')}", "{end:DateTime64(9, 'UTC')}")
TOUCHED_PARAMETERS = ("{tenant:String}", "{tz:String}", "{since:DateTime64(9, 'UTC')}")


NAME = r"[a-z][a-z0-9_]*"
LARGEST = 256 << 10
"""Bytes of a file of definitions."""
D = TypeVar("D", bound=BaseModel)


Number = Annotated[float, Field(allow_inf_nan=False)]


class Strict(BaseModel):
    """A document whose keys are all known."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)


def wrong_target(unit: str, target: float) -> str:
    """Why a number is no target of a KPI with this unit; empty when it may be one."""
    if unit == "ratio" and not 0 <= target <= 1:
        return f"a ratio is 0 to 1 (97 % is 0.97), got {target:g}"
    named = {"seconds": "a time", "count": "a count", "per_case": "a number per case"}
    return f"{named[unit]} is 0 or more, got {target:g}" if unit in named and target < 0 else ""


class Exclusion(Strict):
    """Subjects that are left out when a condition holds, and why."""

    when: str = Field(min_length=1)
    reason: str = Field(min_length=1)


class Basis(Strict):
    """What a value is a share or a statistic of; shown beside the number.

    What it gives is instead of the definition's; `excluded`, too.
    """

    id: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    name: str = Field(min_length=1)
    description: str = Field(min_length=1)
    statistic: Statistic | None = None
    at: str = ""
    where: str = ""
    open: str = ""
    numerator: str = ""
    denominator: str = ""
    excluded: tuple[Exclusion, ...] | None = None


class _Document(Strict):
    id: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    version: int = Field(ge=1, le=65_535)
    name: str = Field(min_length=1, max_length=120)
    unit: Unit
    direction: Direction
    owner: str = Field(min_length=1)
    question: str = ""
    reference: str = ""
    caveats: tuple[str, ...] = ()
    tolerance: Number | None = Field(None, ge=0)
    stream: str = ""
    source: Source | None = None
    statement: str = ""
    view: str = ""
    at: str = ""
    until: str = ""
    whole: bool = False
    where: str = ""
    statistic: Statistic = "ratio"
    numerator: str = ""
    denominator: str = ""
    open: str = ""
    excluded: tuple[Exclusion, ...] = ()
    parameters: dict[str, Number] = Field(default_factory=dict)
    grains: tuple[Grain, ...] = Field(min_length=1)
    dimensions: tuple[str, ...] | dict[str, str] = ()
    bases: tuple[Basis, ...] = ()
    target: Number | None = None
    small_sample: int = Field(ge=1)
    headline: bool = False
    driver: Driver = ""
    settled_open_share: float = Field(1.0, ge=0, le=1)
    description: str = Field(min_length=1)
    formula: str = Field(min_length=1)
    cohort: str = Field(min_length=1)
    exclusions: tuple[str, ...] = ()
    open_cases: str = Field(min_length=1)

    @field_validator("grains")
    @classmethod
    def _each_once(cls, grains: tuple[Grain, ...]) -> tuple[Grain, ...]:
        if len(set(grains)) < len(grains):
            raise ValueError("a grain is listed once")
        return grains

    @field_validator("bases")
    @classmethod
    def _once_each(cls, bases: tuple[Basis, ...]) -> tuple[Basis, ...]:
        ids = [basis.id for basis in bases]
        if twice := sorted({one for one in ids if ids.count(one) > 1}):
            raise ValueError(f"a basis is listed once, {twice[0]!r} is there {ids.count(twice[0])} times")
        return bases

    @model_validator(mode="after")
    def _one_way(self) -> _Document:
        if self.target is not None and (why := wrong_target(self.unit, self.target)):
            raise ValueError(f"target: {why}")
        views = [view.name for view in VIEWS]
        if bool(self.view) == bool(self.source):
            raise ValueError("give either a view (with at and numerator) or a source (with statements beside the file)")
        if self.source and not self.exclusions:
            raise ValueError("exclusions: say what the statement leaves out, or that it leaves out nothing")
        if self.source and {"week", "month"} & set(self.grains):
            if "day" not in self.grains:
                raise ValueError("grains: weeks and months of a statement are added up from its days: add 'day'")
            told = {basis.statistic or self.statistic for basis in self.bases} or {self.statistic}
            if odd := sorted(told - {"ratio", "mean"}):
                raise ValueError(f"grains: weeks and months of a statement are ratios or means, not {odd[0]!r}")
        if self.view and self.view not in views:
            raise ValueError(f"view: there is no {self.view!r}, there are {', '.join(views)}")
        if self.source and isinstance(self.dimensions, dict):
            raise ValueError("dimensions: of a source a list of names that its statement gives, not expressions")
        if self.view and not isinstance(self.dimensions, dict):
            known = DIMENSIONS.get(self.view, {})
            if unknown := [name for name in self.dimensions if name not in known]:
                raise ValueError(
                    f"dimensions: the view {self.view} has no {unknown[0]!r}, it has {', '.join(known) or 'none'}; "
                    "a table of names and expressions gives others"
                )
        for name in self.dimensions:
            if not re.fullmatch(NAME, name):
                raise ValueError(f"dimensions: a name is lower case letters, digits and underscores, got {name!r}")
        for basis in self.bases or (None,):
            parts = {
                name: (getattr(basis, name) if basis else "") or getattr(self, name) for name in ("at", "numerator")
            }
            if self.until:
                parts["numerator"] = "1"
            if self.view and (missing := [name for name, text in parts.items() if not text]):
                raise ValueError(f"{missing[0]}: missing{f' for the basis {basis.id!r}' if basis else ''}")
            statistic = (basis and basis.statistic) or self.statistic
            if (statistic in LEVELS) != bool(self.until):
                raise ValueError("until: when a subject ends is told for the statistics level and age, and only there")
        if self.until and (self.open or self.excluded or any(basis.open or basis.excluded for basis in self.bases)):
            raise ValueError("until: a level has neither open subjects nor exclusions; use where")
        return self

    def breakdowns(self) -> dict[str, str]:
        """Dimensions that are worked out when asked for: those of the view, fewer (a list) or others too (a table)."""
        if not self.view:
            return {}
        of_view = DIMENSIONS.get(self.view, {})
        if isinstance(self.dimensions, dict):
            return {name: text for name, text in (of_view | self.dimensions).items() if text}
        return {name: of_view[name] for name in self.dimensions} or dict(of_view)


@dataclass(frozen=True)
class KpiDefinition:
    """One KPI at one version: expressions over a canonical view, or a statement over a source.

    unit: `ratio` (0 to 1), `seconds`, `count`, `money` or `per_case`. direction: whether `up` or `down` is better.
    bases: empty when there is only one way to count. small_sample: below this many cases a value says little.
    settled_open_share: a bucket is settled when no more than this share of its cases is open; `latest_values` prefers
    settled buckets. reference: whose definition it is. at: the time that decides on the bucket; until: when a subject
    of a level ends; whole: a bucket that is not over says little, like a count of half a day; where: which rows are
    meant; open: not decided yet; numerator, denominator: what is added up (for mean, median and p90 the numerator is
    the measure); headline: shown on the overview; driver: by what a change is turned to money (see kpis.value.money),
    '' where by nothing; parameters: numbers that the expressions and statements use as `{name:Float64}`. dimensions:
    those whose values are stored beside the total (of a source); breakdowns: names and expressions over the view by
    whose values a number is split when somebody asks. statement: the name of the statement's files where several KPIs
    are computed by one, which tells them apart by `{kpi:String}`; else the id.
    """

    id: str
    version: int
    name: str
    unit: Unit
    direction: Direction
    owner: str
    question: str
    reference: str
    caveats: tuple[str, ...]
    tolerance: float | None
    stream: str
    source: Source | None
    statement: str
    view: str
    at: str
    until: str
    whole: bool
    where: str
    statistic: Statistic
    numerator: str
    denominator: str
    open: str
    excluded: tuple[Exclusion, ...]
    parameters: dict[str, float]
    grains: tuple[Grain, ...]
    dimensions: tuple[str, ...]
    breakdowns: dict[str, str]
    bases: tuple[Basis, ...]
    target: float | None
    small_sample: int
    headline: bool
    driver: Driver
    settled_open_share: float
    description: str
    formula: str
    cohort: str
    exclusions: tuple[str, ...]
    open_cases: str
    compute_sql: str = ""
    touched_sql: str = ""
    cases_sql: str = ""

    @property
    def level(self) -> bool:
        """Whether it tells what is open at the end of a bucket, and is not a sum of what happened in it."""
        return bool(self.until)

    @property
    def left_out(self) -> tuple[str, ...]:
        """What is left out, in words."""
        told = list(dict.fromkeys(one.reason for one in self.excluded))
        for basis in self.bases:
            more = (one.reason for one in basis.excluded or ())
            told += [f"basis '{basis.id}': {reason}" for reason in more if reason not in told]
        return tuple(told) + self.exclusions

    @property
    def basis_ids(self) -> tuple[str, ...]:
        """As they are stored: `('',)` when there is only one way to count. The first is the default."""
        return tuple(basis.id for basis in self.bases) or ("",)

    def basis(self, basis_id: str) -> Basis | None:
        """The basis with the id; None for the unnamed one."""
        return next((basis for basis in self.bases if basis.id == basis_id), None)


@dataclass(frozen=True)
class Catalogue:
    """The definitions by id, in the order of their ids."""

    definitions: Mapping[str, KpiDefinition]

    def __iter__(self) -> Iterator[KpiDefinition]:
        return iter(self.definitions.values())

    def __len__(self) -> int:
        return len(self.definitions)

    def chosen(self, wanted: Callable[[KpiDefinition], bool]) -> Catalogue:
        """The definitions for which `wanted` holds."""
        return Catalogue(MappingProxyType({one.id: one for one in self if wanted(one)}))

    def get(self, kpi_id: str) -> KpiDefinition:
        """Raises NotFound that names the closest id, or all of them."""
        if found := self.definitions.get(kpi_id):
            return found
        close = difflib.get_close_matches(kpi_id, self.definitions, 1)
        hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(self.definitions)}"
        raise NotFound(f"no KPI {kpi_id[:80]!r}", hint=hint)


@dataclass(frozen=True)
class TenantKpis:
    """The definitions in force for a tenant, how it counts time, the currency of money ("" as it stands), its brand."""

    catalogue: Catalogue
    calendar: Calendar
    currency: str = ""
    brand: Brand | None = None


def load_catalogue(folder: Path = PACKAGED) -> Catalogue:
    """Reads every `.toml` of the folder; raises WrongDefinition with what is wrong in all of them."""
    found: list[KpiDefinition] = []
    wrong: list[DefinitionProblem] = []
    for file in sorted(folder.glob("*.toml")):
        try:
            found.append(load_definition(file))
        except WrongDefinition as error:
            wrong += error.problems
    if wrong:
        raise WrongDefinition(wrong)
    return Catalogue(MappingProxyType({definition.id: definition for definition in found}))


@dataclass(frozen=True)
class DefinitionProblem:
    """What is wrong with a file: its name, the line (None where there is none to name) and the reason."""

    file: str
    line: int | None
    reason: str

    def __str__(self) -> str:
        return f"{self.file}: {self.reason}" if self.line is None else f"{self.file}:{self.line}: {self.reason}"


class WrongDefinition(ConfigurationError):
    """A file of definitions that cannot be used, with every reason found."""

    def __init__(self, problems: Sequence[DefinitionProblem]) -> None:
        super().__init__("; ".join(map(str, problems)))
        self.problems = tuple(problems)


def load_definition(file: Path) -> KpiDefinition:
    """Reads one definition with its statements; raises WrongDefinition that names file, line and reason."""
    text = read_text(file)
    document = read_document(file.name, text, _Document)
    if document.id != file.stem:
        reason = f"id: must be the file's name {file.stem!r}, got {document.id!r}"
        raise WrongDefinition([DefinitionProblem(file.name, line_of(text, ["id"]), reason)])
    values = {name: getattr(document, name) for name in type(document).model_fields}
    values |= {"breakdowns": document.breakdowns(), "dimensions": () if document.view else document.dimensions}
    if document.view:
        return KpiDefinition(**values)
    stem = document.statement or document.id
    compute = _statement(file.with_name(f"{stem}.sql"), COMPUTE_PARAMETERS)
    touched = _statement(file.with_name(f"{stem}.touched.sql"), TOUCHED_PARAMETERS)
    beside = file.with_name(f"{document.id}.cases.sql")
    cases = _statement(beside, CASES_PARAMETERS) if beside.is_file() else ""
    return KpiDefinition(**values, compute_sql=compute, touched_sql=touched, cases_sql=cases)


def read_text(file: Path) -> str:
    """The file's text; raises WrongDefinition."""
    try:
        if file.stat().st_size > LARGEST:
            raise WrongDefinition([DefinitionProblem(file.name, None, f"larger than {LARGEST:,} bytes")])
        return file.read_text("utf-8")
    except UnicodeDecodeError as problem:
        raise WrongDefinition([DefinitionProblem(file.name, None, f"not TOML: {problem}")]) from None
    except OSError as problem:
        reason = f"cannot be read: {problem.strerror or problem}"
        raise WrongDefinition([DefinitionProblem(file.name, None, reason)]) from None


def read_document(name: str, text: str, kind: type[D]) -> D:
    """The text as a document of that kind; raises WrongDefinition that names file, line and reason."""
    try:
        return kind.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as problem:
        line = line_of_syntax(str(problem), text)
        raise WrongDefinition([DefinitionProblem(name, line, f"not TOML: {problem}")]) from None
    except RecursionError:
        raise WrongDefinition([DefinitionProblem(name, None, "not TOML: it is nested too deep")]) from None
    except ValidationError as problem:
        raise WrongDefinition(
            [DefinitionProblem(name, line_of(text, path), reason) for path, reason in _reasons(problem, kind)]
        ) from None


def _statement(file: Path, parameters: tuple[str, ...]) -> str:
    try:
        sql = file.read_text("utf-8")
    except FileNotFoundError:
        reason = "missing; a definition has a statement beside it"
        raise WrongDefinition([DefinitionProblem(file.name, None, reason)]) from None
    if parameters == COMPUTE_PARAMETERS and ENDS not in sql:
        parameters = (*parameters, *CALENDAR)
    if missing := [parameter for parameter in parameters if parameter not in sql]:
        raise WrongDefinition([DefinitionProblem(file.name, None, f"does not use the parameter {missing[0]}")])
    return sql


def _reasons(problem: ValidationError, kind: type[BaseModel]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Where each reason lies, and the reason with its key."""
    for error in problem.errors():
        path = error["loc"]
        where = ".".join(str(part) for part in path)
        got = "" if error["type"] == "missing" or not where else f", got {repr(error['input'])[:200]}"
        hint = ""
        if error["type"] == "extra_forbidden":
            close = difflib.get_close_matches(str(path[-1]), kind.model_fields, 1)
            hint = f"; did you mean {close[0]}?" if close else ""
        message = str(error["msg"]).removeprefix("Value error, ")
        told = f"{message[:1].lower()}{message[1:]}{got}{hint}"
        key = re.match(rf"({NAME}): ", told)
        yield path or ((key[1],) if key else ()), f"{where}: {told}" if where else told
