"""What a tenant changes about the KPIs without touching code: a folder of TOML files, `<folder>/<tenant>/*.toml`.

- `tenant.toml`: its time zone and fiscal calendar.
- `<id of a KPI of the catalogue>.toml`: another target, tolerance, headline or parameters. Other parameters give other
  numbers, so they need a version of their own, above that of the catalogue.
- any other `<id>.toml`: a whole definition over a canonical view, with expressions that read nothing else
  (`kpis.expressions`).

`refresh` looks again at files that changed (by time and size). Each file stands by itself: a wrong one is told with its
line, and what it said when it was last right stays in force; where it never was, it changes nothing. After a restart
nothing is known of what it once said. A version that was in force with other expressions or parameters is refused
(`kpis.meanings`).
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol
from zoneinfo import ZoneInfo

from pydantic import Field, field_validator

from core import Clock, OpsintelError, get_logger
from kpis.brand import Brand
from kpis.checking import wrong_parts
from kpis.currencies import CURRENCIES
from kpis.definitions import (
    NAME,
    Catalogue,
    DefinitionProblem,
    KpiDefinition,
    Number,
    Strict,
    TenantKpis,
    WrongDefinition,
    load_definition,
    read_document,
    read_text,
    wrong_target,
)
from kpis.periods import Calendar, Months
from kpis.toml_lines import line_of

if TYPE_CHECKING:
    from storage import ClickHouse

log = get_logger(__name__)

CALENDAR = "tenant.toml"
MOST_FILES = 500
MOST_LOGO = 1024 * 1024
"""Of one tenant, so that a folder that fills up cannot hold up the jobs."""
TENANT = r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}"
Stamp = tuple[int, int, int]


class Remembers(Protocol):
    """`kpis.meanings.Meanings`."""

    def taken(self, tenant: str, definition: KpiDefinition) -> bool: ...


class _Brand(Strict):
    name: str = Field(min_length=1, max_length=120)
    colour: str = Field("#1f4e79", pattern=r"^#[0-9a-fA-F]{6}$")
    logo: str = Field("", pattern=r"^([A-Za-z0-9_-][A-Za-z0-9._-]*\.(png|svg|jpg|jpeg))?$")


class _Tenant(Strict):
    currency: str | None = Field(None, pattern=r"^[A-Z]{3}$")
    brand: _Brand | None = None
    timezone: str | None = None
    week_begins: int = Field(1, ge=1, le=7)
    months: Months = "calendar"
    year_begins: int = Field(1, ge=1, le=12)

    @field_validator("currency")
    @classmethod
    def _is_in_use(cls, code: str | None) -> str | None:
        if code and code not in CURRENCIES:
            raise ValueError("a currency is a code of ISO 4217 in use such as EUR")
        return code

    @field_validator("timezone")
    @classmethod
    def _is_a_zone(cls, name: str | None) -> str | None:
        try:
            if name is not None:
                ZoneInfo(name)
        except (KeyError, ValueError, OSError):
            raise ValueError("a time zone is an IANA name such as Europe/Berlin") from None
        return name


class _Change(Strict):
    version: int | None = Field(None, ge=1, le=65_535)
    target: Number | None = None
    tolerance: Number | None = Field(None, ge=0)
    headline: bool | None = None
    parameters: dict[str, Number] = Field(default_factory=dict)
    reason: str = ""


@dataclass(frozen=True)
class _Told:
    """What a tenant's own file says beside KPIs."""

    calendar: Calendar
    currency: str
    brand: Brand | None


@dataclass(frozen=True)
class OverrideProblem:
    """A file that is not in force as it stands. in_force: what of it is: its last right wording, or nothing."""

    tenant: str
    file: str
    line: int | None
    reason: str
    since: datetime
    in_force: str

    def __str__(self) -> str:
        return f"{self.tenant}/{DefinitionProblem(self.file, self.line, self.reason)}"


@dataclass(frozen=True)
class _File:
    """What is known of a file: what it said when it was last right, and what is wrong with it now."""

    stamp: Stamp | None
    good: KpiDefinition | _Told | None
    problems: tuple[DefinitionProblem, ...]
    since: datetime


@dataclass(frozen=True)
class _State:
    files: Mapping[tuple[str, str], _File] = field(default_factory=dict)
    kpis: Mapping[str, TenantKpis] = field(default_factory=dict)
    folder_problem: OverrideProblem | None = None


class TenantDefinitions:
    """The definitions and calendars in force, by tenant. Reading is for any thread; one at a time refreshes.

    ch: tries the expressions of tenants' own definitions; without one they are not tried (then a wrong one fails the
    jobs of its tenant). meanings: remembers what versions meant; without it nothing is compared.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        calendar: Calendar,
        clock: Clock,
        folder: Path | None = None,
        *,
        ch: ClickHouse | None = None,
        meanings: Remembers | None = None,
        currency: str = "",
    ) -> None:
        self._usual = TenantKpis(catalogue, calendar, currency)
        self._folder, self._clock, self._ch, self._meanings = folder, clock, ch, meanings
        self._state = _State()
        self._refreshing = threading.Lock()

    @property
    def usual(self) -> TenantKpis:
        """What holds for a tenant without files."""
        return self._usual

    def of(self, tenant: str) -> TenantKpis:
        """What holds for the tenant now; the same object until something changes."""
        return self._state.kpis.get(tenant, self._usual)

    @property
    def files(self) -> int:
        """How many files there are."""
        return len(self._state.files)

    def problems(self, tenant: str | None = None) -> tuple[OverrideProblem, ...]:
        """What is wrong with the files of a tenant, or of all (and with the folder)."""
        state = self._state
        found = [
            OverrideProblem(owner, file, one.line, one.reason, known.since, _in_force(known.good))
            for (owner, file), known in sorted(state.files.items())
            if tenant in (None, owner)
            for one in known.problems
        ]
        if tenant is None and state.folder_problem:
            found.insert(0, state.folder_problem)
        return tuple(found)

    def refresh(self) -> None:
        """Reads what changed since the last time. Never raises: what is wrong is among `problems`, and logged once."""
        if self._folder is None:
            return
        with self._refreshing:
            before = self._state
            try:
                found = dict(self._seen(self._folder))
            except OSError as error:
                self._no_folder(before, f"cannot be read: {error.strerror or error}")
                return
            files = {}
            for (tenant, name), (path, stamp) in found.items():
                known = before.files.get((tenant, name))
                unchanged = known is not None and known.stamp == stamp
                files[tenant, name] = known if known and unchanged else self._read(tenant, path, stamp, known)
            changed = {
                tenant
                for tenant, name in files.keys() | before.files.keys()
                if before.files.get((tenant, name)) != files.get((tenant, name))
            }
            kpis = {tenant: one for tenant, one in before.kpis.items() if tenant not in changed}
            for tenant in changed:
                own = {name: known.good for (owner, name), known in files.items() if owner == tenant and known.good}
                if own:
                    kpis[tenant] = self._together(own, before.kpis.get(tenant))
            self._state = _State(files, kpis)

    def _no_folder(self, before: _State, reason: str) -> None:
        if before.folder_problem is None or before.folder_problem.reason != reason:
            log.error("kpi overrides are not read", folder=str(self._folder), reason=reason)
            kept = "all that was read before" if before.files else "nothing"
            problem = OverrideProblem("", str(self._folder), None, reason, self._clock.now(), kept)
            self._state = replace(before, folder_problem=problem)

    def _seen(self, folder: Path) -> Iterator[tuple[tuple[str, str], tuple[Path, Stamp]]]:
        """Every file by tenant and name; raises OSError."""
        for home in sorted(folder.iterdir()):
            if not home.is_dir() or not re.fullmatch(TENANT, home.name):
                continue
            for path in sorted(home.glob("*.toml"))[:MOST_FILES]:
                try:
                    told = path.stat()
                except FileNotFoundError:
                    continue
                yield (home.name, path.name), (path, (told.st_mtime_ns, told.st_size, told.st_ino))

    def _read(self, tenant: str, path: Path, stamp: Stamp, known: _File | None) -> _File:
        now = self._clock.now()
        good = known.good if known else None
        try:
            good = self._good(tenant, path)
            log.info("kpi override in force", tenant=tenant, file=path.name)
            return _File(stamp, good, (), now)
        except WrongDefinition as error:
            for one in error.problems:
                log.error("kpi override is wrong", tenant=tenant, problem=str(one), in_force=_in_force(good))
            return _File(stamp, good, error.problems, now)
        except OpsintelError as error:  # a store cannot be asked now: look again in the next run
            log.warning("kpi override is not checked", tenant=tenant, file=path.name, error=str(error))
            problem = DefinitionProblem(path.name, None, f"could not be checked yet: {error.message}")
            return _File(None, good, (problem,), now)

    def _good(self, tenant: str, path: Path) -> KpiDefinition | _Told:
        if path.name == CALENDAR:
            told = read_document(path.name, read_text(path), _Tenant)
            zone = told.timezone or self._usual.calendar.timezone
            calendar = Calendar(zone, told.week_begins, told.months, told.year_begins)
            currency = self._usual.currency if told.currency is None else told.currency
            return _Told(calendar, currency, _brand(path, told.brand) if told.brand else None)
        base = self._usual.catalogue.definitions.get(path.stem)
        definition = _changed(base, path) if base else _own(path)
        text = read_text(path)
        if base is None and self._ch is not None:
            wrong = wrong_parts(self._ch, definition, guarded=True)
            if wrong:
                raise WrongDefinition([one.in_file(path.name, text) for one in wrong])
        fixed = base is not None and definition.version == base.version
        if not fixed and self._meanings is not None and not self._meanings.taken(tenant, definition):
            reason = (
                f"version: {definition.version} was in force with other expressions or parameters; "
                f"give the new meaning version {definition.version + 1}, so that history is not rewritten"
            )
            raise WrongDefinition([DefinitionProblem(path.name, line_of(text, ["version"]), reason)])
        return definition

    def _together(self, own: Mapping[str, KpiDefinition | _Told], before: TenantKpis | None) -> TenantKpis:
        told = _Told(self._usual.calendar, self._usual.currency, None)
        definitions = dict(self._usual.catalogue.definitions)
        for one in own.values():
            if isinstance(one, _Told):
                told = one
            else:
                definitions[one.id] = one
        catalogue = Catalogue(MappingProxyType(dict(sorted(definitions.items()))))
        whole = TenantKpis(catalogue, told.calendar, told.currency, told.brand)
        return before if before == whole else whole


def _changed(base: KpiDefinition, path: Path) -> KpiDefinition:
    """The catalogue's definition with what the file changes; raises WrongDefinition."""
    text = read_text(path)
    told = read_document(path.name, text, _Change)
    if unknown := [name for name in told.parameters if name not in base.parameters]:
        known = ", ".join(base.parameters) or "none"
        raise _wrong(path, text, "parameters", f"{base.id} has no parameter {unknown[0]!r}, it has {known}")
    version = told.version or base.version
    if version < base.version:
        raise _wrong(path, text, "version", f"the catalogue has {base.version} already, got {version}")
    if told.target is not None and (why := wrong_target(base.unit, told.target)):
        raise _wrong(path, text, "target", why)
    parameters = base.parameters | told.parameters
    if parameters != base.parameters and version == base.version:
        reason = f"other parameters give other numbers: add version = {base.version + 1} or more"
        raise _wrong(path, text, "parameters" if told.version is None else "version", reason)
    return replace(
        base,
        version=version,
        parameters=parameters,
        target=base.target if told.target is None else told.target,
        tolerance=base.tolerance if told.tolerance is None else told.tolerance,
        headline=base.headline if told.headline is None else told.headline,
    )


def _brand(path: Path, told: _Brand) -> Brand:
    """The brand with its logo, which lies beside the file; raises WrongDefinition."""
    if not told.logo:
        return Brand(told.name, told.colour)
    text = read_text(path)
    try:
        logo = (path.parent / told.logo).read_bytes()
    except OSError as error:
        raise _wrong(path, text, "brand", f"logo {told.logo!r} cannot be read: {error.strerror}") from None
    if len(logo) > MOST_LOGO:
        raise _wrong(path, text, "brand", f"logo {told.logo!r} has {len(logo):,} bytes, {MOST_LOGO:,} at most")
    return Brand(told.name, told.colour, logo, told.logo.rsplit(".", 1)[1])


def _own(path: Path) -> KpiDefinition:
    """A whole definition; raises WrongDefinition."""
    if not re.fullmatch(NAME, path.stem):
        reason = "the file's name is the KPI's id: lower case letters, digits and underscores"
        raise WrongDefinition([DefinitionProblem(path.name, None, reason)])
    text = read_text(path)
    if re.search(r"^\s*source\s*=", text, re.MULTILINE):
        raise _wrong(path, text, "source", "a definition of one's own reads a canonical view, not a source")
    return load_definition(path)


def _wrong(path: Path, text: str, key: str, reason: str) -> WrongDefinition:
    return WrongDefinition([DefinitionProblem(path.name, line_of(text, [key]), f"{key}: {reason}")])


def _in_force(good: KpiDefinition | _Told | None) -> str:
    if good is None:
        return "nothing of it"
    return "what it said before" + (f", version {good.version}" if isinstance(good, KpiDefinition) else "")
