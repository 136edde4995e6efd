"""What was observed of a row, and whether it keeps the promise: acknowledged means stored once, or quarantined."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from tests.faults.clients import ITEMS, KEY, SIGNALS, Outcome
from tests.faults.rig import Rig

ROWS = {
    "traces": f"SELECT toUInt64(SpanAttributes['{KEY}']) r, count(), uniqExact(SpanId) FROM otel_traces GROUP BY r",
    "logs": f"SELECT toUInt64(LogAttributes['{KEY}']) r, count(), uniqExact(Body) FROM otel_logs GROUP BY r",
    "metrics": f"SELECT toUInt64(Attributes['{KEY}']) r, count(), uniqExact(Attributes['fault.item']) FROM ("
    "SELECT Attributes FROM otel_metrics_gauge UNION ALL SELECT Attributes FROM otel_metrics_sum) GROUP BY r",
}


@dataclass
class Observed:
    """Counts of items over all signals; `lost`: acknowledged and in no table (quarantine explains some)."""

    acknowledged: int = 0
    unknown: int = 0
    refusals: Counter[str] = field(default_factory=Counter)
    without_delay: Counter[str] = field(default_factory=Counter)
    oddities: list[str] = field(default_factory=list)
    stored: int = 0
    distinct: int = 0
    missing: int = 0
    doubled: int = 0
    torn: int = 0
    refused_stored: int = 0
    quarantined: int = 0
    duplicates: int = 0
    pending: int = 0
    imbalance: list[str] = field(default_factory=list)
    starts: int = 0
    receivers_restarted: int = 0
    recovery_s: float = 0.0
    notes: list[str] = field(default_factory=list)

    @property
    def lost(self) -> int:
        """Acknowledged items that are neither stored nor in quarantine."""
        return max(0, self.missing - self.quarantined)

    def problems(self, *, refused_may_be_stored: bool = False, ledger_anew: bool = False) -> list[str]:
        """Why the row fails; empty when it holds."""
        found = [] if ledger_anew else list(self.imbalance)
        if self.lost:
            found.append(f"{self.lost} acknowledged items lost")
        if self.doubled:
            found.append(f"{self.doubled} items doubled")
        if self.torn > self.quarantined:
            found.append(f"{self.torn} items missing of requests that are stored in part")
        if self.refused_stored and not refused_may_be_stored:
            found.append(f"{self.refused_stored} refused items stored")
        if self.pending:
            found.append(f"{self.pending} pending at the end")
        if self.without_delay:
            found.append(f"refused without a delay: {dict(self.without_delay)}")
        if self.oddities:
            found.append(self.oddities[0])
        if not self.acknowledged:
            found.append("nothing was acknowledged, so nothing was shown")
        return found


def observe(rig: Rig) -> Observed:
    """Compares the clients' book with the tables and the ledger."""
    book = rig.book
    seen = Observed(
        acknowledged=book.items(Outcome.ACKNOWLEDGED),
        unknown=ITEMS * sum(one.was_unknown for one in book.sent),
        refusals=Counter(book.refusals),
        without_delay=Counter(book.without_delay),
        oddities=list(book.oddities),
        starts=rig.starts,
        receivers_restarted=rig.log_text().count('"a receiver ended"'),
        recovery_s=rig.recovered_s,
        notes=list(rig.notes),
    )
    ledger = rig.ledger()
    for signal in SIGNALS:
        rows = {int(number): (int(count), int(kinds)) for number, count, kinds in rig.query(ROWS[signal])}
        entry = ledger[signal]
        seen.stored += sum(count for count, _ in rows.values())
        seen.distinct += sum(kinds for _, kinds in rows.values())
        for one in (one for one in book.sent if one.signal == signal):
            count, kinds = rows.pop(one.number, (0, 0))
            seen.doubled += count - kinds
            if one.outcome is Outcome.ACKNOWLEDGED:
                seen.missing += ITEMS - kinds
            elif kinds not in (0, ITEMS):
                seen.torn += ITEMS - kinds
            elif kinds and not one.was_unknown:
                seen.refused_stored += kinds
        if rows:
            seen.imbalance.append(f"{signal}: rows of requests that nobody sent: {sorted(rows)[:3]}")
    for name, entry in ledger.items():
        parts = {part: entry[part] for part in ("stored", "quarantined", "duplicates", "pending")}
        seen.quarantined += parts["quarantined"]
        seen.duplicates += parts["duplicates"]
        seen.pending += parts["pending"]
        if entry["received"] != sum(parts.values()):
            seen.imbalance.append(f"{name}: the ledger does not balance: {entry}")
    if seen.stored != (called := sum(entry["stored"] for entry in ledger.values())):
        seen.imbalance.append(f"the ledger calls {called} stored, the tables hold {seen.stored}")
    return seen
