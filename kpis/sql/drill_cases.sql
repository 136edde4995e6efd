-- The subjects behind a measure's number of a period, a page behind a key.
SELECT Stream, CaseId, Subject, DrillSplit, DrillAt, DrillState, DrillN, DrillD, DrillRank
FROM
(
    SELECT
        Stream, CaseId, Subject, DrillSplit,
        DrillFact.2 AS DrillAt, DrillFact.3 AS DrillState, DrillFact.4 AS DrillN, DrillFact.5 AS DrillD,
        if({largest:UInt8}, /*rank*/, toInt64(0)) AS DrillRank
    FROM
    (
        SELECT
            Stream, CaseId, Subject, toString(/*split*/) AS DrillSplit,
            arrayFilter(f -> f.2 >= {low:Int64} AND f.2 < {high:Int64}, /*facts*/) AS DrillFacts
        FROM /*table*/ FINAL
        WHERE TenantId = {tenant:String} AND /*within*/
    )
    ARRAY JOIN DrillFacts AS DrillFact
)
WHERE (NOT {narrowed:UInt8} OR DrillSplit = {value:String})
    AND /*role*/
    AND (DrillRank, toString(Stream), CaseId, Subject) > ({rank:Int64}, {stream:String}, {case:String}, {subject:String})
ORDER BY DrillRank, toString(Stream), CaseId, Subject
LIMIT {limit:UInt64}
