"""RabbitMQ, through the management API: what is ready, what consumers hold, who consumes, how fast.

Pages of `/api/queues` (of one virtual host, where just one is named). The oldest age is known only where publishers
set the `timestamp` property, in whole seconds, and the broker shows it (classic queues). The broker renews these
numbers every five seconds; asking more often shows the same ones again.
"""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import quote

from collector.pollers.environment import Environment
from collector.pollers.models import RabbitMq
from collector.pollers.readings import Deadline, Polled, PollFailed, QueueReading, Reason, age, number
from collector.pollers.selection import is_pattern, matches
from collector.pollers.sources.http_client import JsonClient

DEFAULT_VHOST = "/"
COLUMNS = (
    "name,vhost,state,messages_ready,messages_unacknowledged,consumers,head_message_timestamp,"
    "message_stats.publish_details.rate,message_stats.deliver_get_details.rate"
)


class RabbitMqSource:
    """One broker or cluster."""

    def __init__(self, config: RabbitMq, environment: Environment) -> None:
        self._config = config
        user = config.username
        if config.username_env:
            user = environment.secret(config.username_env, config.name, "username_env")
        password = ""
        if config.password_env:
            password = environment.secret(config.password_env, config.name, "password_env")
        auth = (user, password) if user else None
        self._http = JsonClient(auth=auth, tls=config, poller=config.name)

    def poll(self, now: datetime, deadline: Deadline) -> Polled:
        page = _Page(self._config, now)
        for path in self._paths():
            self._read(path, deadline, page)
        return Polled(tuple(page.readings.values()), tuple(page.problems.values()))

    def close(self) -> None:
        self._http.close()

    def _paths(self) -> list[str]:
        root = self._config.url.rstrip("/") + "/api/queues"
        if any(is_pattern(one) for one in self._config.vhosts):
            return [root]
        return [f"{root}/{quote(one, safe='')}" for one in self._config.vhosts]

    def _read(self, url: str, deadline: Deadline, found: _Page) -> None:
        page, pages = 1, 1
        while page <= pages:
            params = {"page": str(page), "page_size": str(self._config.page_size), "columns": COLUMNS}
            answer = self._http.get(url, deadline, params)
            if not isinstance(answer, dict) or not isinstance(answer.get("items"), list):
                raise PollFailed(
                    Reason.ANSWER, "the answer is not a page of queues", hint="is url that of the management API?"
                )
            count = answer.get("page_count")
            pages = count if isinstance(count, int) else 1
            for item in answer["items"]:
                found.take(item)
            page += 1


class _Page:
    """Queues as they come, by virtual host and name: those that come or go between two pages move the others, and the
    same queue is then seen twice.
    """

    def __init__(self, config: RabbitMq, now: datetime) -> None:
        self._config, self._now = config, now
        self.readings: dict[tuple[str, str], QueueReading] = {}
        self.problems: dict[tuple[str, str], str] = {}

    def take(self, item: object) -> None:
        """One element of the answer."""
        if not isinstance(item, dict) or not isinstance(item.get("name"), str):
            return
        config, name, vhost = self._config, item["name"], str(item.get("vhost", DEFAULT_VHOST))
        if not matches(vhost, config.vhosts) or not matches(name, config.queues, config.exclude):
            return
        where = name if vhost == DEFAULT_VHOST else f"{vhost}/{name}"
        depth = number(item.get("messages_ready"))
        if depth is None:
            state = item.get("state", "new")
            self.problems[vhost, name] = f"{where}: the broker does not say how many messages are ready ({state})"
        else:
            self.readings[vhost, name] = self._reading(where, depth, item)
        if len(self.readings.keys() | self.problems.keys()) > config.max_queues:
            raise PollFailed(
                Reason.TOO_MUCH,
                f"more than {config.max_queues} queues match",
                hint="narrow vhosts, queues or exclude, or raise max_queues",
            )

    def _reading(self, where: str, depth: float, item: dict[str, object]) -> QueueReading:
        stats = item.get("message_stats")
        return QueueReading(
            system=self._config.system,
            destination=self._config.prefix + where,
            depth=depth,
            oldest_age_s=0.0 if depth == 0 else age(self._now, _moment(item.get("head_message_timestamp"))),
            in_flight=number(item.get("messages_unacknowledged")),
            consumers=number(item.get("consumers")),
            publish_rate=_rate(stats, "publish_details"),
            deliver_rate=_rate(stats, "deliver_get_details"),
        )


def _moment(value: object) -> datetime | None:
    """A time in seconds since 1970; publishers may write any number there."""
    seconds = number(value)
    if seconds is None or not 0 < seconds < 253_402_300_800:
        return None
    return datetime.fromtimestamp(seconds, UTC)


def _rate(stats: object, name: str) -> float | None:
    details = stats.get(name) if isinstance(stats, dict) else None
    return number(details.get("rate")) if isinstance(details, dict) else None
