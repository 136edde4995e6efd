"""What a poller may be told, by kind. Every key is checked when the service starts; an unknown one is an error.

Credentials are never written here: fields that end in `_env` name environment variables.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from collector.pollers.json_pointer import check_pointer
from collector.pollers.state import Pace
from core.principals import DEFAULT_TENANT

Patterns = tuple[Annotated[str, Field(min_length=1)], ...]
EnvName = Annotated[str, Field(pattern=r"^([A-Za-z_][A-Za-z0-9_]*)?$")]


class Part(BaseModel):
    """A table of the file."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Common(Part):
    """What every poller has; all of it but the name may stand in [defaults]."""

    interval_s: float = Field(15.0, ge=1, le=86_400, description="Seconds between two polls.")
    timeout_s: float = Field(10.0, ge=0.1, le=600, description="Seconds one poll may take.")
    max_backoff_s: float = Field(300.0, ge=1, le=86_400, description="The longest pause after failures, in seconds.")
    jitter: float = Field(0.1, ge=0, le=0.5, description="The share by which pauses are spread at random.")
    tenant: str = Field(
        DEFAULT_TENANT, pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$", description="Whose data the measurements are."
    )
    max_queues: int = Field(1_000, ge=1, le=100_000, description="A poll that finds more queues than this fails.")


class Poller(Common):
    """One source."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$", description="Its name in metrics and messages.")
    enabled: bool = Field(True, description="`false` keeps it in the file without polling it.")
    prefix: str = Field("", description="Put before every queue's name, to tell two brokers apart.")

    @model_validator(mode="after")
    def _pauses(self) -> Self:
        if self.max_backoff_s < self.interval_s:
            raise ValueError(
                f"max_backoff_s must be at least interval_s ({self.interval_s:g}), got {self.max_backoff_s:g}"
            )
        return self

    @property
    def pace(self) -> Pace:
        """Its timing, for the state machine."""
        return Pace(self.interval_s, self.max_backoff_s, self.jitter)


class Tls(Part):
    """Files of a connection that is made safe; empty means the system's authorities, and no certificate of ours."""

    ca_file: Path | None = Field(None, description="Authorities to trust, PEM.")
    cert_file: Path | None = Field(None, description="Our certificate, PEM.")
    key_file: Path | None = Field(None, description="Its key, PEM.")

    @model_validator(mode="after")
    def _files(self) -> Self:
        if (self.cert_file is None) != (self.key_file is None):
            raise ValueError("cert_file and key_file belong together")
        for path in (self.ca_file, self.cert_file, self.key_file):
            if path is not None and not path.is_file():
                raise ValueError(f"there is no file {str(path)!r}")
        return self


def _endpoint(url: str) -> str:
    try:
        parts = urlsplit(url)
        ok = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        ok = False
    if not ok:
        raise ValueError("must be an http:// or https:// URL with a host")
    if parts.username is not None or parts.password is not None:
        raise ValueError("must not hold credentials; name environment variables instead")
    return url


def _credentials(username: str, username_env: str, password_env: str) -> None:
    if username and username_env:
        raise ValueError("username and username_env exclude one another")
    if password_env and not (username or username_env):
        raise ValueError("password_env needs username or username_env")


class RabbitMq(Poller, Tls):
    """RabbitMQ, through its management API."""

    kind: Literal["rabbitmq"]
    url: str = Field(description="Of the management API, such as http://rabbit:15672.")
    username: str = Field("", description="A user with the tag `monitoring`.")
    username_env: EnvName = Field("", description="The variable with the user name.")
    password_env: EnvName = Field("", description="The variable with the password.")
    vhosts: Patterns = Field(("*",), min_length=1, description="Virtual hosts, as patterns.")
    queues: Patterns = Field(("*",), min_length=1, description="Queues, as patterns.")
    exclude: Patterns = Field(("amq.gen-*",), description="Queues to leave out, as patterns.")
    page_size: int = Field(200, ge=1, le=500, description="Queues asked for at once.")
    system: str = Field("rabbitmq", min_length=1, description="`messaging.system` of its queues.")

    @field_validator("url")
    @classmethod
    def _url(cls, value: str) -> str:
        return _endpoint(value)

    @model_validator(mode="after")
    def _who(self) -> Self:
        _credentials(self.username, self.username_env, self.password_env)
        return self


class ItemTime(Part):
    """Where an item of a Redis list says when it was put there: a member of its JSON."""

    pointer: str = Field(description="JSON pointer to the time.")
    oldest: Literal["left", "right"] = Field("right", description="The end of the list that is taken from.")

    @field_validator("pointer")
    @classmethod
    def _pointer(cls, value: str) -> str:
        return check_pointer(value)


class Redis(Poller, Tls):
    """Redis: lists, and streams with their consumer groups."""

    kind: Literal["redis"]
    host: str = Field("localhost", min_length=1, description="Host name or address.")
    port: int = Field(6379, ge=1, le=65_535, description="Port.")
    db: int = Field(0, ge=0, description="Number of the database.")
    username: str = Field("", description="ACL user; empty means the default user.")
    username_env: EnvName = Field("", description="The variable with the user name.")
    password_env: EnvName = Field("", description="The variable with the password.")
    tls: bool = Field(False, description="Whether the connection is made safe.")
    lists: Patterns = Field((), description="Lists: names, or patterns with *, ? or [.")
    streams: Patterns = Field((), description="Streams: names or patterns.")
    exclude: Patterns = Field((), description="Keys to leave out, as patterns.")
    groups: Patterns = Field(("*",), min_length=1, description="Consumer groups of the streams, as patterns.")
    item_time: ItemTime | None = Field(None, description="How to tell the age of a list's oldest item.")
    system: str = Field("redis", min_length=1, description="`messaging.system` of its queues.")

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.lists and not self.streams:
            raise ValueError("name lists, streams or both")
        if self.username_env and self.username:
            raise ValueError("username and username_env exclude one another")
        if (self.username or self.username_env) and not self.password_env:
            raise ValueError("a username needs password_env")
        if (self.ca_file or self.cert_file) and not self.tls:
            raise ValueError("ca_file and cert_file need tls = true")
        return self


class Kafka(Poller, Tls):
    """Kafka: how far consumer groups are behind."""

    kind: Literal["kafka"]
    bootstrap: tuple[Annotated[str, Field(pattern=r"^[^\s,:]+:\d{1,5}$|^\[[0-9a-fA-F:]+\]:\d{1,5}$")], ...] = Field(
        min_length=1, description="Brokers to begin with, as host:port."
    )
    groups: Patterns = Field(("*",), min_length=1, description="Consumer groups, as patterns.")
    exclude_groups: Patterns = Field((), description="Groups to leave out, as patterns.")
    topics: Patterns = Field(("*",), min_length=1, description="Topics, as patterns.")
    exclude_topics: Patterns = Field(("__*",), description="Topics to leave out, as patterns.")
    security: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        "PLAINTEXT", description="How the connection is made safe."
    )
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        "SCRAM-SHA-512", description="How the user is proven."
    )
    username: str = Field("", description="SASL user.")
    username_env: EnvName = Field("", description="The variable with the user name.")
    password_env: EnvName = Field("", description="The variable with the password.")
    oldest_age: bool = Field(True, description="Read one message of each partition that is behind, for its time.")
    per_partition: bool = Field(False, description="Report each partition, too.")
    system: str = Field("kafka", min_length=1, description="`messaging.system` of its queues.")

    @model_validator(mode="after")
    def _who(self) -> Self:
        sasl = self.security.startswith("SASL")
        _credentials(self.username, self.username_env, self.password_env)
        if sasl != bool(self.password_env):
            raise ValueError("security SASL_… needs a user and password_env, and no other security takes them")
        if (self.ca_file or self.cert_file) and "SSL" not in self.security:
            raise ValueError("ca_file and cert_file need security SSL or SASL_SSL")
        return self


_SELECT = re.compile(r"^\s*(select|with)\b", re.IGNORECASE)


class Sql(Poller):
    """A SELECT over a table of jobs, in PostgreSQL or SQLite."""

    kind: Literal["sql"]
    url_env: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")] = Field(
        description="The variable with the SQLAlchemy URL."
    )
    query: str = Field(description="Yields `name`, `depth` and, if known, the other columns.")
    expected: Patterns = Field((), description="Queues that are empty when the answer has no row for them.")
    system: str = Field("database", min_length=1, description="`messaging.system` of its queues.")

    @field_validator("query")
    @classmethod
    def _one_select(cls, value: str) -> str:
        text = value.strip().removesuffix(";").rstrip()
        if not _SELECT.match(text):
            raise ValueError("must begin with SELECT or WITH")
        if ";" in text:
            raise ValueError("must be one statement, without ';' inside")
        return text


class Fields(Part):
    """JSON pointers to a queue's numbers."""

    depth: str = Field(description="Items that wait.")
    oldest_age: str = Field("", description="Age of the oldest, in seconds.")
    oldest_at: str = Field("", description="Or the time it came: ISO 8601 with an offset, or Unix time.")
    in_flight: str = Field("", description="Items that consumers hold.")
    consumers: str = Field("", description="Consumers.")

    @field_validator("depth", "oldest_age", "oldest_at", "in_flight", "consumers")
    @classmethod
    def _pointer(cls, value: str) -> str:
        return check_pointer(value)

    @model_validator(mode="after")
    def _one_age(self) -> Self:
        if self.oldest_age and self.oldest_at:
            raise ValueError("oldest_age and oldest_at exclude one another")
        return self


class NamedQueue(Fields):
    """One queue of the document."""

    destination: str = Field(min_length=1, description="Its name.")


class QueueList(Fields):
    """An array (or an object, whose keys are the names) in the document that has an element for each queue."""

    items: str = Field(description="JSON pointer to the array or object; '' is the document.")
    name: str = Field("", description="Pointer within an element to the queue's name; needed for an array.")
    queues: Patterns = Field(("*",), min_length=1, description="Queues, as patterns.")
    exclude: Patterns = Field((), description="Queues to leave out, as patterns.")
    expected: Patterns = Field((), description="Queues that are empty when the answer does not name them.")

    @field_validator("items", "name")
    @classmethod
    def _pointers(cls, value: str) -> str:
        return check_pointer(value)


class HttpJson(Poller, Tls):
    """A document of JSON behind a URL."""

    kind: Literal["http_json"]
    url: str = Field("", description="What to get.")
    url_env: EnvName = Field("", description="The variable with the URL, where the URL itself is a secret.")
    headers: dict[str, str] = Field(default_factory=dict, description="Headers to send.")
    headers_env: dict[str, str] = Field(default_factory=dict, description="Headers whose values are in variables.")
    queue: tuple[NamedQueue, ...] = Field((), description="Single queues of the document.")
    each: QueueList | None = Field(None, description="A list of queues in the document.")
    system: str = Field("http", min_length=1, description="`messaging.system` of its queues.")

    @field_validator("url")
    @classmethod
    def _url(cls, value: str) -> str:
        return _endpoint(value) if value else value

    @field_validator("headers", "headers_env")
    @classmethod
    def _headers(cls, value: dict[str, str]) -> dict[str, str]:
        for name, text in value.items():
            if not re.fullmatch(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", name) or re.search(r"[\r\n\0]", text):
                raise ValueError(f"{name!r} is no header")
        return value

    @field_validator("headers")
    @classmethod
    def _no_secrets(cls, value: dict[str, str]) -> dict[str, str]:
        for name in value:
            if name.lower() in ("authorization", "proxy-authorization", "cookie", "x-api-key"):
                raise ValueError(f"{name!r} is a credential; put it in a variable and name that in headers_env")
        return value

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if bool(self.url) == bool(self.url_env):
            raise ValueError("needs url or url_env, one of them")
        if not self.queue and self.each is None:
            raise ValueError("needs [[poller.queue]] tables or a [poller.each] table")
        twice = [one.destination for one in self.queue]
        if len(set(twice)) < len(twice):
            raise ValueError("queue names a destination twice")
        return self


AnyPoller = RabbitMq | Redis | Kafka | Sql | HttpJson
KINDS: dict[str, type[RabbitMq] | type[Redis] | type[Kafka] | type[Sql] | type[HttpJson]] = {
    "rabbitmq": RabbitMq,
    "redis": Redis,
    "kafka": Kafka,
    "sql": Sql,
    "http_json": HttpJson,
}


def model_of(item: dict[str, Any]) -> type[AnyPoller] | None:
    """The model of an item's kind; None when there is no such kind."""
    kind = item.get("kind")
    return KINDS.get(kind) if isinstance(kind, str) else None
