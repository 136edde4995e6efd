"""Every setting: one frozen, typed object, read once by the composition root and passed down.

Sources, the stronger first: arguments, `OPSINTEL_*` environment variables, `opsintel.toml` (in the working directory,
or where `OPSINTEL_CONFIG` points). An unknown key is an error, in the file and in the environment.
"""

from __future__ import annotations

import difflib
import ipaddress
import os
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from core.errors import ConfigurationError

MIB = 1 << 20
PREFIX = "OPSINTEL_"
NOT_SETTINGS = {"OPSINTEL_CONFIG", "OPSINTEL_TOKEN"}


class Settings(BaseSettings):
    """See docs/settings.md, which is generated from these fields."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid")

    data_dir: Path = Field(Path("data"), description="Where the log, the embedded engine and the state database live.")
    http_host: str = Field("127.0.0.1", description="Address of the API and the dashboards.")
    http_port: int = Field(8080, ge=0, le=65_535, description="Port of the API and the dashboards.")
    otlp_host: str = Field("", description="Address of the OTLP receivers; empty means the same as `http_host`.")
    otlp_grpc_port: int = Field(4317, ge=0, le=65_535, description="Port of OTLP/gRPC.")
    otlp_http_port: int = Field(4318, ge=0, le=65_535, description="Port of OTLP/HTTP.")
    clickhouse_dsn: str = Field(
        "", description="`chdb:///path`, `http://…` or `https://…`; empty means embedded, in the data directory."
    )
    clickhouse_database: str = Field(
        "opsintel", pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", description="The database that holds the tables."
    )
    clickhouse_threads: int = Field(2, ge=1, le=256, description="Threads one query may use.")
    state_dsn: str = Field(
        "", description="SQLAlchemy URL of the state database; empty means SQLite in the data directory."
    )
    log_format: Literal["console", "json"] = Field("console", description="How log lines look.")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="The least severe level that is logged."
    )
    otlp_max_request_bytes: int = Field(
        16 * MIB, ge=1024, description="Largest OTLP request accepted, after decompression, in bytes."
    )
    wal_segment_bytes: int = Field(
        16 * MIB, ge=4096, description="A segment is sealed when it has grown to this many bytes."
    )
    writer_threads: int = Field(
        0, ge=0, le=64, description="Segments stored at once; 0 means one for each processor, four at most."
    )
    wal_segment_age_ms: int = Field(
        250, ge=1, description="A segment is sealed when its first frame is this old, in milliseconds."
    )
    wal_max_bytes: int = Field(
        4096 * MIB, ge=MIB, description="The log refuses (503 / UNAVAILABLE) beyond this many bytes on disk."
    )
    jobs_enabled: bool = Field(True, description="Whether this process runs the scheduled jobs.")
    kpi_interval_s: int = Field(60, ge=1, description="Seconds between two runs of the KPI jobs.")
    alert_interval_s: int = Field(15, ge=1, description="Seconds between two evaluations of the alert rules.")
    alert_webhook_url: str = Field(
        "", description="Where notifications go; empty means they are recorded and not sent."
    )
    alert_webhook_secret: str = Field(
        "", repr=False, description="Signs notifications after the Standard Webhooks specification (`whsec_…`)."
    )
    rules_file: Path | None = Field(None, description="Alert rules in TOML; empty means the built-in ones.")
    pollers_file: Path | None = Field(None, description="Queue-depth pollers in TOML; empty means none.")
    control_file: Path | None = Field(
        None, description="Control targets (edges, workflows and their endpoints) in TOML."
    )
    control_secret: str = Field(
        "", repr=False, description="Signs control calls after the Standard Webhooks specification (`whsec_…`)."
    )
    admin_token: str = Field(
        "",
        repr=False,
        pattern=r"^$|^\S{24,}$",
        description="Accepted as an administrator's key (24 characters or more); for containers, where no key exists yet.",
    )
    self_tracing_endpoint: str = Field(
        "", description="OTLP/HTTP endpoint for the service's own traces; empty means off."
    )
    query_max_seconds: float = Field(
        15.0, gt=0, description="Time limit of one statement on the query API, in seconds."
    )
    query_max_rows: int = Field(10_000, ge=1, description="Row limit of one answer of the query API.")
    timezone: str = Field(
        "UTC", description="IANA name of the time zone that days and hours of the week are counted in."
    )

    @model_validator(mode="before")
    @classmethod
    def _no_unknown_environment(cls, values: Any) -> Any:
        known = {f"{PREFIX}{name.upper()}" for name in cls.model_fields} | NOT_SETTINGS
        for name in os.environ:
            if name.startswith(PREFIX) and name not in known:
                close = difflib.get_close_matches(name, sorted(known), 1)
                raise ValueError(f"unknown setting {name}" + (f"; did you mean {close[0]}?" if close else ""))
        return values

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        file = Path(os.environ.get("OPSINTEL_CONFIG", "opsintel.toml"))
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, file)

    # --- what follows from them ---

    @property
    def clickhouse_url(self) -> str:
        """The DSN, with the default filled in."""
        return self.clickhouse_dsn or f"chdb://{self.data_dir.absolute() / 'clickhouse'}"

    @property
    def embedded(self) -> bool:
        """Whether the engine runs inside this process."""
        return self.clickhouse_url.startswith("chdb:")

    @property
    def state_url(self) -> str:
        """The URL of the state database, with the default filled in."""
        return self.state_dsn or f"sqlite:///{self.data_dir.absolute() / 'state.db'}"

    @property
    def writers(self) -> int:
        """How many segments are stored at once, with the default filled in."""
        return self.writer_threads or min(4, os.cpu_count() or 1)

    @property
    def wal_dir(self) -> Path:
        """The folder of the write-ahead log."""
        return self.data_dir.absolute() / "wal"

    @property
    def otlp_bind_host(self) -> str:
        """The address of the OTLP receivers, with the default filled in."""
        return self.otlp_host or self.http_host

    @property
    def loopback_only(self) -> bool:
        """Whether nothing outside this machine can reach any of the doors."""
        return all(_is_loopback(host) for host in (self.http_host, self.otlp_bind_host))


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def load_settings(**overrides: Any) -> Settings:
    """Reads the settings; raises ConfigurationError that names the setting, the value and the allowed range."""
    named = os.environ.get("OPSINTEL_CONFIG")
    if named and not Path(named).is_file():
        raise ConfigurationError(f"OPSINTEL_CONFIG names {named}, and there is no such file")
    try:
        return Settings(**overrides)
    except ValidationError as problem:
        lines = []
        for error in problem.errors():
            name = ".".join(str(part) for part in error["loc"])
            secret = any(word in name for word in ("secret", "dsn", "token"))
            got = "" if secret or not name else f", got {error['input']!r}"
            lines.append(f"{name}: {error['msg']}{got}" if name else str(error["msg"]))
        raise ConfigurationError("; ".join(lines), hint="see docs/settings.md") from None
