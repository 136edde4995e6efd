"""How the jobs read the notes of changes (`case_changes`): how far back they look, and which cases a segment touched.

The views that write the notes are in the migrations; who has taken in what stands in each job's own mark.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

OVERLAP = timedelta(minutes=10)
"""How long after its beginning an insert may become visible and still be noticed."""
SETTLED = timedelta(seconds=3)
"""A note younger than this may be seen before its events: the tables of one insert become visible one after the other.
Its segment is taken in, and once more by the next run."""
NOTED = timedelta(days=2)
"""After a longer absence everything is made anew: changes are kept for a day more than this."""
EVENTS_AT_ONCE = 400_000
CASES_AT_ONCE = 50_000
ALWAYS = datetime(1900, 1, 1, tzinfo=UTC)
"""The engine's first moment."""
SELECTION = "/*selection*/"
IN_RANGE = "CaseId > {low:String} AND CaseId <= {high:String}"
TOUCHED = f"""{IN_RANGE}
        AND CaseId IN (
            SELECT CaseId FROM case_changes
            WHERE InsertedAt >= {{since:DateTime64(3, 'UTC')}} AND TenantId = {{tenant:String}}
                AND Stream = {{stream:String}} AND SegmentId IN {{segments:Array(UInt64)}} AND {IN_RANGE})"""
"""Ranges, so that many cases together read the table once and not once for each statement."""

Change = tuple[datetime, int]
"""Of a segment: when its newest note was written, and how many there are."""
