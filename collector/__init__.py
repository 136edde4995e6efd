"""Ways in: OTLP receivers, admission, the write-ahead log, the ledger and the writer.

What is acknowledged is on disk, and goes into every table exactly once; docs/collector.md tells how.
"""

from collector.admission import Admitted, Encoding, admit
from collector.balance import BalanceReport, LedgerBalance, SignalBalance
from collector.ledger import Ledger, LedgerEntry
from collector.pipeline import Collector

__all__ = [
    "Admitted",
    "BalanceReport",
    "Collector",
    "Encoding",
    "Ledger",
    "LedgerBalance",
    "LedgerEntry",
    "SignalBalance",
    "admit",
]
