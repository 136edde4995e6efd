-- The subjects behind a number of a period, a page behind a key.
SELECT Stream, CaseId, Subject, DrillSplit, DrillAt, DrillState, DrillN, DrillD, DrillRank, TraceId
FROM
(
    SELECT *, if({largest:UInt8}, /*rank*/, toInt64(0)) AS DrillRank
    FROM (/*cases*/)
)
WHERE (NOT {narrowed:UInt8} OR DrillSplit = {value:String})
    AND /*role*/
    AND (DrillRank, toString(Stream), CaseId, Subject) > ({rank:Int64}, {stream:String}, {case:String}, {subject:String})
ORDER BY DrillRank, toString(Stream), CaseId, Subject
LIMIT {limit:UInt64}
