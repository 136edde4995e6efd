"""Who gets which report when: TOML files, read strictly.

A wrong file is refused as a whole with file, report, key and value named; the caller keeps the set in force. Secrets
are named (an environment variable that begins with REPORT_), never written here. Weekdays in a schedule are names:
APScheduler counts them from Monday, cron from Sunday, and a number would mean two things.
"""

from __future__ import annotations

import difflib
import hashlib
import re
import tomllib
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from email.headerregistry import Address
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from apscheduler.triggers.cron import CronTrigger
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from core.errors import ConfigurationError
from kpis.periods import Calendar, Grain
from kpis.values import STORED

_SOME_DAY = datetime(2026, 1, 1, tzinfo=UTC)
_PERIOD = r"^last_(day|week|month|([1-9][0-9]{0,2})_days)$"
_ENV = r"^REPORT_[A-Z0-9_]{1,120}$"
"""Other variables of the service's environment are none of a subscription's business: a target gets what they hold."""


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class EmailTarget(_Strict):
    """Recipients; the server is the product's."""

    kind: Literal["email"]
    to: tuple[str, ...] = Field(min_length=1, max_length=50)

    @field_validator("to")
    @classmethod
    def _addresses(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for one in value:
            try:
                parsed = Address(addr_spec=one)
            except (ValueError, IndexError):
                raise ValueError(f"{one!r} is no e-mail address") from None
            if not parsed.domain or not re.fullmatch(r"[\x21-\x7e]+", one):
                raise ValueError(f"{one!r} is no e-mail address")
        return value


class DirectoryTarget(_Strict):
    """A folder below the configured root."""

    kind: Literal["directory"]
    path: str = Field(min_length=1)

    @field_validator("path")
    @classmethod
    def _below(cls, value: str) -> str:
        path = PurePosixPath(value)
        if path.is_absolute() or ".." in path.parts or re.search(r"[\\\x00-\x1f\x7f]", value):
            raise ValueError("must be relative, without '..' and control characters")
        return value


class S3Target(_Strict):
    """A bucket of an S3-compatible store; the credentials are in environment variables."""

    kind: Literal["s3"]
    bucket: str = Field(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")
    prefix: str = Field("", pattern=r"^(([A-Za-z0-9_=-]|\.[A-Za-z0-9_=-])[A-Za-z0-9_=.-]*/)*$")
    endpoint: str = Field("", pattern=r"^(https?://[A-Za-z0-9.:\[\]-]+/?)?$")
    region: str = "us-east-1"
    access_key_env: str = Field(pattern=_ENV)
    secret_key_env: str = Field(pattern=_ENV)


class WebhookTarget(_Strict):
    """A URL that gets the file in signed JSON."""

    kind: Literal["webhook"]
    url: str
    secret_env: str = Field(pattern=_ENV)

    @field_validator("url")
    @classmethod
    def _url(cls, value: str) -> str:
        parts = urlsplit(value)
        if not re.fullmatch(r"[\x21-\x7e]+", value) or not (parts.port or 443) > 0:
            raise ValueError("must be of ASCII without blanks, with a port of 1 to 65535")
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.fragment:
            raise ValueError("must be an http or https URL with a host")
        if parts.username is not None or parts.password is not None:
            raise ValueError("must not carry credentials")
        return value


Target = EmailTarget | DirectoryTarget | S3Target | WebhookTarget


def describe(target: Target) -> str:
    """Where it leads, in words for everybody who may see the report: no path or query of a URL, which may be secret."""
    if isinstance(target, EmailTarget):
        return ", ".join(target.to)
    if isinstance(target, DirectoryTarget):
        return target.path
    if isinstance(target, S3Target):
        return f"{target.bucket}/{target.prefix}"
    parts = urlsplit(target.url)
    return f"{parts.scheme}://{parts.netloc}"


def target_key(target: Target) -> str:
    """What a target is known by in the state database: its kind and where it leads."""
    return hashlib.sha256(target.model_dump_json().encode()).hexdigest()[:16]


class Subscription(_Strict):
    """One report that is sent on a schedule. kpis: all when none is named; dimensions: as an export takes them."""

    id: str = Field(pattern=r"^[a-z][a-z0-9_-]{0,63}$")
    title: str = Field(min_length=1, max_length=120, pattern=r"^[^\x00-\x1f\x7f]+$")
    format: Literal["xlsx", "csv", "parquet", "pdf"]
    kpis: tuple[str, ...] = ()
    dimensions: tuple[str, ...] = ()
    dimension_values: tuple[str, ...] = ()
    period: str = Field(pattern=_PERIOD)
    grain: Grain
    schedule: str
    to: tuple[Annotated[Target, Field(discriminator="kind")], ...] = Field(min_length=1)

    @field_validator("schedule")
    @classmethod
    def _schedule(cls, value: str) -> str:
        fields = value.split()
        if len(fields) != 5:
            raise ValueError("must have five fields: minute hour day month weekday")
        if re.search(r"(?<!/)\b\d", fields[4]):
            raise ValueError("weekdays are names (mon … sun)")
        if fields[2] != "*" and fields[4] != "*":
            raise ValueError("a day of the month and a weekday do not go together")  # cron means either, others both
        if CronTrigger.from_crontab(value, "UTC").get_next_fire_time(None, _SOME_DAY) is None:
            raise ValueError("is never due")
        return value

    @field_validator("grain")
    @classmethod
    def _grain(cls, value: Grain) -> Grain:
        if value not in STORED:
            raise ValueError(f"must be {', '.join(STORED)}")
        return value

    def due(self, after: datetime, until: datetime, timezone: str, most: int = 1_000) -> list[datetime]:
        """The newest scheduled times in (after, until], oldest first."""
        trigger = CronTrigger.from_crontab(self.schedule, timezone)
        found: list[datetime] = []
        at = trigger.get_next_fire_time(None, after + timedelta(microseconds=1))
        while at is not None and at <= until:
            found.append(at)
            if len(found) > most:
                found.pop(0)
            at = trigger.get_next_fire_time(at, at)
        return found

    def next_due(self, after: datetime, timezone: str) -> datetime | None:
        """The first scheduled time after it; None when there is none any more."""
        trigger = CronTrigger.from_crontab(self.schedule, timezone)
        at = trigger.get_next_fire_time(None, after + timedelta(microseconds=1))
        return None if at is None else at.astimezone(UTC)

    def covers(self, at: datetime, calendar: Calendar) -> tuple[datetime, datetime]:
        """The last whole period before `at`, as [start, end)."""
        name = self.period.removeprefix("last_")
        grain: Grain = "week" if name == "week" else "month" if name == "month" else "day"
        end = calendar.start(grain, at)
        start = end
        for _ in range(int(name.partition("_")[0]) if name.endswith("_days") else 1):
            start = calendar.start(grain, start - timedelta(microseconds=1))
        return start, end


def described(one: Subscription | None, key: str) -> str:
    """What the target with this key of a subscription is called; for one that is gone, that it is."""
    target = next((target for target in one.to if target_key(target) == key), None) if one else None
    return describe(target) if target else "no longer configured"


def load_subscriptions(folder: Path, known_kpis: Collection[str] | None = None) -> tuple[Subscription, ...]:
    """Every report of the folder's `.toml` files; ConfigurationError names file, report, key and value.

    known_kpis: ids that a report may name; None: any. A folder that is not there holds none.
    """
    found: dict[str, Subscription] = {}
    for file in subscription_files(folder):
        try:
            document = tomllib.loads(file.read_text("utf-8"))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as problem:
            raise ConfigurationError(f"{file.name}: cannot be read as TOML: {problem}") from None
        except RecursionError:
            raise ConfigurationError(f"{file.name}: cannot be read as TOML: it is nested too deep") from None
        unknown = sorted(set(document) - {"reports"})
        if unknown or not isinstance(document.get("reports", []), list):
            raise ConfigurationError(f"{file.name}: unknown key {(unknown or ['reports'])[0]!r}; use [[reports]]")
        for number, item in enumerate(document.get("reports", []), 1):
            report = _report(file.name, number, item)
            if report.id in found:
                raise ConfigurationError(f"{file.name}: report {report.id!r} is there twice")
            if known_kpis is not None:
                _require_known(file.name, report, known_kpis)
            found[report.id] = report
    return tuple(found.values())


def subscription_files(folder: Path) -> list[Path]:
    """Those that are read, in their order; hidden ones are not."""
    return sorted(file for file in folder.glob("*.toml") if not file.name.startswith("."))


def _require_known(file: str, report: Subscription, known: Collection[str]) -> None:
    for one in report.kpis:
        if one not in known:
            close = difflib.get_close_matches(one, known, 1)
            meant = f"; did you mean {close[0]}?" if close else ""
            raise ConfigurationError(f"{file}: report {report.id!r}: kpis: there is no KPI {one!r}{meant}")


def _report(file: str, number: int, item: Any) -> Subscription:
    try:
        return Subscription.model_validate(item)
    except ValidationError as problem:
        error = problem.errors()[0]
        name = repr(item["id"]) if isinstance(item, dict) and "id" in item else f"number {number}"
        where = ".".join(str(part) for part in error["loc"])
        # An unknown key may be a secret written in the wrong place, and a URL may hold one: no value is repeated.
        secret = error["type"] == "extra_forbidden" or isinstance(error["input"], dict) or error["loc"][-1] == "url"
        shown = "" if secret else f", got {repr(error['input'])[:200]}"
        why = error["msg"].removeprefix("Value error, ")
        raise ConfigurationError(f"{file}: report {name}: {where}: {why}{shown}") from None
