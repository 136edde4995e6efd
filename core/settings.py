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
    clickhouse_connect_timeout_s: int = Field(
        30, ge=1, le=600, description="Seconds to connect to a ClickHouse server and to send it a request."
    )
    clickhouse_answer_timeout_s: int = Field(
        120, ge=1, le=3600, description="Seconds that a ClickHouse server may take between two pieces of an answer."
    )
    clickhouse_wait_s: int = Field(
        300, ge=0, description="Seconds that `serve` waits at its start for a ClickHouse server that cannot be reached."
    )
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
    queue_metrics_file: Path | None = Field(
        None, description="Metrics of remote write that are queue depths, in TOML, beside the built-in ones."
    )
    otlp_tenant_bytes_per_s: float = Field(
        0, ge=0, description="Decompressed bytes a second that each tenant may push; 0 means no limit."
    )
    otlp_tenant_items_per_s: float = Field(
        0,
        ge=0,
        description="Spans, log records and metric points a second that each tenant may push; 0 means no limit.",
    )
    otlp_memory_bytes: int = Field(
        192 * MIB, ge=6 * 1024, description="Memory for request bodies in work, in bytes; six largest requests or more."
    )
    otlp_fair_tenants: int = Field(
        16, ge=1, le=1024, description="Tenants that are sure of a part of the memory at once, whatever the others do."
    )
    otlp_max_requests: int = Field(512, ge=64, description="Requests over HTTP in work at once.")
    otlp_grpc_max_calls: int = Field(
        64, ge=4, le=512, description="Calls over gRPC in work at once; each has a thread."
    )
    otlp_max_connections: int = Field(1024, ge=1, description="Connections to a receiver's port at once.")
    otlp_max_connections_per_address: int = Field(
        512, ge=1, description="Connections over HTTP from one address at once."
    )
    otlp_header_timeout_s: float = Field(
        10.0, gt=0, description="Seconds in which the head of a request must have come, and the handshake before it."
    )
    otlp_max_header_bytes: int = Field(32 * 1024, ge=1024, description="Largest head of a request over HTTP, in bytes.")
    otlp_keep_alive_s: int = Field(75, ge=1, description="Seconds that an idle connection over HTTP stays open.")
    otlp_body_timeout_s: float = Field(60.0, gt=0, description="Seconds in which a body must have come.")
    otlp_body_min_bytes_per_s: float = Field(
        4096, gt=0, description="Bytes a second in which a body over HTTP must come, after five seconds of grace."
    )
    otlp_cors_origins: str = Field(
        "", description="Origins whose web pages may push, separated by commas (`https://shop.example`), or `*`."
    )
    tls_cert_file: Path | None = Field(
        None, description="Certificate chain in PEM for every port; empty means no TLS. Read again when it changes."
    )
    tls_key_file: Path | None = Field(None, description="The certificate's private key in PEM, without a pass phrase.")
    tls_client_ca_file: Path | None = Field(
        None, description="Authorities in PEM; OTLP callers must then show a certificate that one of them signed."
    )
    wal_free_floor_bytes: int = Field(
        256 * MIB, ge=0, description="The receivers refuse while the log's disk has fewer bytes left than this."
    )
    wal_segment_bytes: int = Field(
        32 * MIB, ge=4096, description="A segment is sealed when it has grown to this many bytes."
    )
    writer_threads: int = Field(
        0, ge=0, le=64, description="Segments stored at once; 0 means one for each processor, four at most."
    )
    wal_segment_age_ms: int = Field(
        1000, ge=1, description="A segment is sealed when its first frame is this old, in milliseconds."
    )
    wal_max_bytes: int = Field(
        4096 * MIB, ge=MIB, description="The log refuses (503 / UNAVAILABLE) beyond this many bytes on disk."
    )
    resend_window_s: float = Field(
        600,
        ge=0,
        le=86_400,
        description="The same bytes sent again within this many seconds are counted as duplicates; 0 turns it off.",
    )
    receiver_processes: int = Field(
        -1,
        ge=-1,
        le=64,
        description="Processes that receive OTLP beside the one that owns the engine; 0 means none, it receives itself; "
        "-1 means one for every two processors, none on a single one.",
    )
    accept_past_days: int = Field(
        400, ge=0, le=36_500, description="Telemetry whose own time is older is kept in quarantine; 0 accepts any age."
    )
    accept_future_minutes: int = Field(
        60, ge=0, description="Telemetry whose own time is further ahead is kept in quarantine; 0 accepts any."
    )
    item_max_attributes: int = Field(
        512, ge=0, description="Attributes of one item, resource, scope, event or link; more are quarantined; 0: any."
    )
    item_max_key_bytes: int = Field(
        1024, ge=0, description="Longest key of an attribute; a longer one is quarantined; 0: any."
    )
    item_max_value_bytes: int = Field(
        64 * 1024, ge=0, description="Longest value of an attribute; a longer one is quarantined; 0: any."
    )
    item_max_name_bytes: int = Field(
        64 * 1024,
        ge=0,
        description="Longest name of a span, event, metric or scope; a longer one is quarantined; 0: any.",
    )
    item_max_body_bytes: int = Field(
        MIB, ge=0, description="Longest body of a log record; a longer one is quarantined; 0: any."
    )
    item_max_events: int = Field(1024, ge=0, description="Events of one span; more are quarantined; 0: any.")
    item_max_links: int = Field(1024, ge=0, description="Links of one span; more are quarantined; 0: any.")
    quarantine_max_bytes_per_day: int = Field(
        256 * MIB, ge=0, description="What one tenant may have kept in quarantine in a day (UTC); beyond it, rejected."
    )
    cardinality_interval_s: int = Field(
        900, ge=60, description="Seconds between two looks for attributes with very many values."
    )
    cardinality_threshold: int = Field(
        5_000, ge=10, description="Distinct values in an hour from which an attribute or a metric counts as high."
    )
    cardinality_sample_rows: int = Field(
        500_000, ge=10_000, description="Rows of a tenant's last hour that are looked at, for each signal."
    )
    jobs_enabled: bool = Field(True, description="Whether this process runs the scheduled jobs.")
    kpi_interval_s: int = Field(60, ge=1, description="Seconds between two runs of the KPI jobs.")
    kpi_overrides_dir: Path | None = Field(
        None,
        description="Folder of `<tenant>/*.toml` with what tenants change about KPIs: targets, parameters, KPIs and "
        "calendars of their own. Read again when a file changes.",
    )
    kpi_gauges: bool = Field(True, description="Whether `/metrics` shows the newest complete hour of every KPI.")
    kpi_gauges_max_series: int = Field(
        1_000, ge=1, le=100_000, description="KPIs by basis that `/metrics` shows of a tenant; others are counted only."
    )
    cases_interval_s: int = Field(5, ge=1, description="Seconds between two looks for cases that changed.")
    alert_interval_s: int = Field(15, ge=1, description="Seconds between two evaluations of the alert rules.")
    retention_interval_s: int = Field(
        3_600, ge=1, description="Seconds between two looks for data that is older than it is to be kept."
    )
    balance_interval_s: int = Field(
        60, ge=1, description="Seconds between two comparisons of the ledger with the tables."
    )
    alert_webhook_url: str = Field(
        "", description="Where notifications go; empty means they are recorded and not sent."
    )
    alert_webhook_secret: str = Field(
        "", repr=False, description="Signs notifications after the Standard Webhooks specification (`whsec_…`)."
    )
    rules_file: Path | None = Field(None, description="Alert rules in TOML; empty means the built-in ones.")
    pollers_file: Path | None = Field(None, description="Queue-depth pollers in TOML; empty means none.")
    process_models_dir: Path | None = Field(
        None,
        description="Folder of value-stream models and calendars in YAML, beside or in place of the packaged ones.",
    )
    reports_dir: Path | None = Field(
        None, description="Folder with a folder for each tenant that holds its report subscriptions in TOML."
    )
    report_files_dir: Path | None = Field(
        None, description="Folder in which reports may be laid, each tenant's in one of its own; empty means nowhere."
    )
    report_spool_dir: Path | None = Field(
        None, description="Where rendered reports wait until they are sent; empty means in the data directory."
    )
    report_spool_days: int = Field(
        14, ge=1, le=366, description="Days that the file of a report that could not be sent is kept for another try."
    )
    report_private_hosts: str = Field(
        "",
        description="Hosts with private addresses that reports may be sent to (webhooks, buckets), separated by commas.",
    )
    smtp_host: str = Field("", description="The mail server that takes reports; empty means no mail is sent.")
    smtp_port: int = Field(587, ge=1, le=65_535, description="Its port.")
    smtp_security: Literal["starttls", "tls", "plain"] = Field(
        "starttls", description="`tls` from the first byte on; `plain` for a server on this machine alone."
    )
    smtp_user: str = Field("", description="Who logs in at the mail server; empty means nobody does.")
    smtp_password: str = Field(
        "", repr=False, pattern=r"^[\x20-\x7e]*$", description="The password of `smtp_user`, in ASCII."
    )
    smtp_sender: str = Field(
        "",
        pattern=r"^$|^[\x21-\x7e]+@[\x21-\x7e]+$",
        description="The sender's address of mail, such as `reports@shop.example`.",
    )
    smtp_ca_file: Path | None = Field(
        None, description="Authorities in PEM that the mail server's certificate may come from, beside the system's."
    )
    value_models_file: Path | None = Field(
        None, description="What a touch, an hour of delay, an order and a refund are worth by tenant, in TOML."
    )
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

    currency: str = Field(
        "",
        pattern=r"^([A-Z]{3})?$",
        description="Currency (ISO 4217) in which KPIs tell money; amounts in others are left out and counted. "
        "Empty: amounts are added as they stand, and no currency is shown.",
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

    @model_validator(mode="after")
    def _fit_together(self) -> Settings:
        if self.otlp_memory_bytes < 6 * self.otlp_max_request_bytes:
            raise ValueError(
                f"otlp_memory_bytes must be six times otlp_max_request_bytes ({self.otlp_max_request_bytes}) or more, "
                f"got {self.otlp_memory_bytes}"
            )
        if self.otlp_max_connections_per_address > self.otlp_max_connections:
            raise ValueError(
                f"otlp_max_connections_per_address must be {self.otlp_max_connections} (otlp_max_connections) or less, "
                f"got {self.otlp_max_connections_per_address}"
            )
        if (self.tls_cert_file is None) != (self.tls_key_file is None):
            raise ValueError("tls_cert_file and tls_key_file belong together; one of them is missing")
        if self.smtp_host and not self.smtp_sender:
            raise ValueError("smtp_host needs smtp_sender, the address that mail comes from")
        if self.smtp_host and self.smtp_security == "plain" and not _is_loopback(self.smtp_host):
            raise ValueError(f"smtp_security plain is for a mail server on this machine alone, not {self.smtp_host!r}")
        if bool(self.smtp_user) != bool(self.smtp_password):
            raise ValueError("smtp_user and smtp_password belong together; one of them is missing")
        if self.tls_client_ca_file is not None and self.tls_cert_file is None:
            raise ValueError("tls_client_ca_file needs tls_cert_file and tls_key_file")
        return self

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
    def receivers(self) -> int:
        """How many processes receive beside the engine's owner, with the default filled in."""
        return min(8, (os.cpu_count() or 1) // 2) if self.receiver_processes < 0 else self.receiver_processes

    @property
    def wal_dir(self) -> Path:
        """The folder of the write-ahead log."""
        return self.data_dir.absolute() / "wal"

    @property
    def report_spool(self) -> Path:
        """The folder of rendered reports, with the default filled in."""
        return self.report_spool_dir or self.data_dir.absolute() / "report-spool"

    @property
    def otlp_bind_host(self) -> str:
        """The address of the OTLP receivers, with the default filled in."""
        return self.otlp_host or self.http_host

    @property
    def cors_origins(self) -> tuple[str, ...]:
        """The origins whose pages may push."""
        return tuple(one.strip().rstrip("/") for one in self.otlp_cors_origins.split(",") if one.strip())

    @property
    def scheme(self) -> str:
        """Of every address over HTTP."""
        return "https" if self.tls_cert_file else "http"

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
            secret = any(word in name for word in ("secret", "dsn", "token", "password"))
            got = "" if secret or not name else f", got {error['input']!r}"
            lines.append(f"{name}: {error['msg']}{got}" if name else str(error["msg"]))
        raise ConfigurationError("; ".join(lines), hint="see docs/settings.md") from None
