"""Ways in: OTLP receivers, admission, the write-ahead log, the ledger and the writer.

What is acknowledged is on disk, and goes into every table exactly once; docs/collector.md tells how.
"""

from collector.admission import Admitted, Encoding, admit
from collector.balance import BalanceReport, LedgerBalance, SignalBalance
from collector.cardinality import Cardinality
from collector.ledger import Ledger, LedgerEntry
from collector.pipeline import Collector
from collector.quarantine_reads import Filter as QuarantineFilter
from collector.quarantine_service import QuarantineService
from collector.rules import Reason, Rules
from collector.screening import Screening

__all__ = [
    "Admitted",
    "BalanceReport",
    "Cardinality",
    "Collector",
    "Encoding",
    "Ledger",
    "LedgerBalance",
    "LedgerEntry",
    "QuarantineFilter",
    "QuarantineService",
    "Reason",
    "Rules",
    "Screening",
    "SignalBalance",
    "admit",
]
