"""`opsintel doctor`: looks at log, disk, ingest, engine, clocks, state database and machine, and explains what it sees.

It looks, and changes nothing but a file of four kilobytes that it writes, syncs and removes. docs/doctor.md lists every
check with its limits.
"""

from api.doctor.examine import examine, examine_running, examine_stopped
from api.doctor.model import Check, Finding, Report, Status, Subject
from api.doctor.render import render

__all__ = [
    "Check",
    "Finding",
    "Report",
    "Status",
    "Subject",
    "examine",
    "examine_running",
    "examine_stopped",
    "render",
]
