"""Does the ledger balance? What it calls stored is compared with the rows in the tables, segment by segment.

Every segment is compared once soon after it was settled and once more an hour later; one that differs is compared again
at every run until it balances. The tolerance is zero. Left out are segments that were settled less than `GRACE_S` ago
(a server's replica may be behind), and missing rows of a tenant and signal that retention has dropped something of
since. What was acknowledged is compared with what the ledger knows, too: a difference that stands still for
`STEADY_RUNS` runs is real, one that moves is work in flight. It does not look into segments that are still in the log:
those are the ledger's `pending`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from prometheus_client import CollectorRegistry, Counter, Gauge
from sqlalchemy import select

from collector import settled
from collector.ledger import Ledger
from collector.settled import Difference, SettledSegment
from core import DEFAULT_TENANT, Clock, get_logger
from storage import ClickHouse, Signal, StateDb, load_sql
from storage.state.retention_tables import RETENTION_DROPS as DROPS

GRACE_S, RECHECK_S = 15.0, 3_600.0
AT_ONCE, AT_MOST = 1_000, 20_000
STEADY_RUNS = 3
_NS = 10**9
_log = get_logger("collector.balance")


@dataclass(frozen=True)
class SignalBalance:
    """How a tenant's signal stands.

    `missing`: items that are in no table; `extra`: rows that the ledger knows nothing of. `unaccounted`: acknowledged
    items that the ledger does not know: of all tenants together, told to the default one. `first_hour` is the start
    of the earliest hour concerned; `segments` are those concerned, the lowest first.
    """

    signal: str
    missing: int = 0
    extra: int = 0
    unaccounted: int = 0
    segments: tuple[int, ...] = ()
    first_hour: datetime | None = None

    @property
    def items(self) -> int:
        """Zero when it balances."""
        return self.missing + self.extra + abs(self.unaccounted)

    @property
    def where(self) -> str:
        """Hour and segments, in words."""
        if not self.segments:
            return "between acknowledgement and ledger" if self.unaccounted else "nowhere"
        shown = ", ".join(str(one) for one in self.segments[:5])
        more = f" and {len(self.segments) - 5} more" if len(self.segments) > 5 else ""
        noun = "segment" if len(self.segments) == 1 else "segments"
        return f"{noun} {shown}{more} of the hour {self.first_hour:%Y-%m-%d %H:%M} UTC"


@dataclass(frozen=True)
class BalanceReport:
    """One run: when, how many segments were compared, and everything that does not balance now."""

    at: datetime
    segments: int = 0
    differences: tuple[Difference, ...] = ()
    unaccounted: Mapping[str, int] | None = None

    @property
    def balanced(self) -> bool:
        """Whether everything that was looked at does."""
        return not self.differences and not any((self.unaccounted or {}).values())

    def of(self, tenant: str) -> list[SignalBalance]:
        """A tenant's signals, the balanced ones too."""
        return [self._signal(tenant, signal.value) for signal in Signal]

    def _signal(self, tenant: str, signal: str) -> SignalBalance:
        own = [one for one in self.differences if (one.tenant, one.signal) == (tenant, signal)]
        hours = [one.hour for one in own if one.hour]
        return SignalBalance(
            signal,
            sum(max(0, one.missing) for one in own),
            sum(max(0, -one.missing) for one in own),
            (self.unaccounted or {}).get(signal, 0) if tenant == DEFAULT_TENANT else 0,
            tuple(sorted({one.segment for one in own})),
            datetime.fromtimestamp(min(hours), UTC) if hours else None,
        )

    def tenants(self) -> list[str]:
        """Those for whom something does not balance."""
        nobodys = {DEFAULT_TENANT} if any((self.unaccounted or {}).values()) else set()
        return sorted({one.tenant for one in self.differences} | nobodys)


class LedgerBalance:
    """Compares when `check` is called; `acknowledged` gives the items acknowledged since the process began, by signal.

    `acknowledged` is None where other processes receive, too. Raises core.StorageError when a store fails.
    """

    def __init__(
        self,
        ledger: Ledger,
        ch: ClickHouse,
        state: StateDb,
        clock: Clock,
        registry: CollectorRegistry,
        acknowledged: Callable[[], Mapping[str, int]] | None = None,
    ) -> None:
        self._ledger, self._ch, self._state, self._clock = ledger, ch, state, clock
        self._acknowledged = acknowledged
        self._base = self._unknown_to_ledger() if acknowledged else {}
        self._gaps: list[dict[str, int]] = []
        self.last: BalanceReport | None = None
        self._compared = Counter(
            "opsintel_ledger_compared_segments", "Segments compared with the tables.", registry=registry
        )
        self._items = Gauge(
            "opsintel_ledger_unbalanced_items",
            "Items by which ledger and tables differ.",
            ("signal",),
            registry=registry,
        )
        self._segments = Gauge(
            "opsintel_ledger_unbalanced_segments", "Segments whose rows differ from the ledger.", registry=registry
        )
        self._when = Gauge(
            "opsintel_ledger_last_check_timestamp_seconds", "When they were compared last.", registry=registry
        )

    def check(self) -> BalanceReport:
        """Compares what is due and remembers the outcome."""
        now = self._clock.now()
        now_ns, compared = self._clock.time_ns(), 0
        before = {"settled_before": now_ns - int(GRACE_S * _NS), "recheck_before": now_ns - int(RECHECK_S * _NS)}
        with self._state.connect() as connection:
            waiting = settled.to_check(connection, **before, limit=AT_MOST)
        for start in range(0, len(waiting), AT_ONCE):
            group = waiting[start : start + AT_ONCE]
            found = self._rows([one.segment for one in group])
            outcomes = [(one, self._compare(one, found.get(one.segment, {}))) for one in group]
            with self._state.begin() as connection:
                for segment, differing in outcomes:
                    settled.mark(connection, segment.segment, now_ns, differing)
            compared += len(group)
        with self._state.begin() as connection:
            settled.forget(connection, settled_before=before["recheck_before"], checked_at=now_ns)
        with self._state.connect() as connection:
            differing_now = tuple(settled.differences(connection))
        report = BalanceReport(now, compared, differing_now, self._unaccounted())
        self._publish(report)
        return report

    def tenants(self) -> list[str]:
        """Those for whom something did not balance at the last check."""
        return self.last.tenants() if self.last else []

    def of(self, tenant: str, now: datetime, most_s: float = 900.0) -> tuple[datetime, list[SignalBalance]] | None:
        """When the last check was and how the tenant's signals stood; None when it was too long ago to say."""
        last = self.last
        if last is None or (now - last.at).total_seconds() > most_s:
            return None
        return last.at, last.of(tenant)

    # --- comparing ---

    def _rows(self, segments: Sequence[int]) -> dict[int, dict[tuple[str, str], int]]:
        found: dict[int, dict[tuple[str, str], int]] = {}
        sql = load_sql("collector", "segments_rows")
        for signal, tenant, segment, rows in self._ch.query(sql, {"segments": list(segments)}).rows:
            found.setdefault(int(segment), {})[signal, tenant] = int(rows)
        return found

    def _compare(self, one: SettledSegment, rows: Mapping[tuple[str, str], int]) -> list[Difference]:
        expected: dict[tuple[str, str], int] = {}
        hours: dict[tuple[str, str], int] = {}
        for line in sorted(one.lines, key=lambda line: line.hour):
            key = (line.signal, line.tenant)
            expected[key] = expected.get(key, 0) + line.items
            hours.setdefault(key, line.hour)
        found = []
        for key in sorted({*expected, *rows}):
            items, counted = expected.get(key, 0), rows.get(key, 0)
            if items == counted or (counted < items and self._retention_took(*key, since=one.settled_at)):
                continue
            hour = hours.get(key, one.settled_at // _NS // 3_600 * 3_600)
            found.append(Difference(one.segment, *key, hour, items, counted))
        return found

    def _retention_took(self, signal: str, tenant: str, since: int) -> bool:
        """Whether something of the signal was dropped on purpose since then."""
        query = (
            select(DROPS.c.id)
            .where(
                DROPS.c.tenant == tenant,
                DROPS.c.dropped_at >= datetime.fromtimestamp(since // _NS, UTC),
                DROPS.c.table_name.like(f"otel_{signal}%"),
            )
            .limit(1)
        )
        with self._state.connect() as connection:
            return connection.execute(query).first() is not None

    # --- acknowledged and known ---

    def _unknown_to_ledger(self) -> dict[str, int]:
        """Items acknowledged by this process, less what the ledger knows in all, by signal."""
        assert self._acknowledged is not None
        known = self._ledger.totals()
        counted = self._acknowledged()
        return {signal.value: counted.get(signal.value, 0) - known[signal.value].received for signal in Signal}

    def _unaccounted(self) -> dict[str, int]:
        """Acknowledged items unknown to the ledger, where the number has stood still for several runs."""
        if self._acknowledged is None:
            return {}
        current = {name: gap - self._base[name] for name, gap in self._unknown_to_ledger().items()}
        self._gaps = [*self._gaps, current][-STEADY_RUNS:]
        steady = len(self._gaps) == STEADY_RUNS
        return {
            name: gap if steady and all(one[name] == gap for one in self._gaps) else 0 for name, gap in current.items()
        }

    def _publish(self, report: BalanceReport) -> None:
        self.last = report
        self._compared.inc(report.segments)
        self._when.set(report.at.timestamp())
        self._segments.set(len({one.segment for one in report.differences}))
        for signal in Signal:
            rows = sum(abs(one.missing) for one in report.differences if one.signal == signal.value)
            self._items.labels(signal.value).set(rows + abs((report.unaccounted or {}).get(signal.value, 0)))
        for one in report.differences:
            _log.error(
                "ledger and tables differ", segment=one.segment, signal=one.signal, tenant=one.tenant,
                hour=datetime.fromtimestamp(one.hour, UTC).isoformat(), items=one.items, rows=one.rows,
            )  # fmt: skip
