-- The facts of a measure of a view in a period, one a row; what the other statements of a drill start from.
SELECT
    Stream, CaseId, Subject, '' AS TraceId, DrillSplit,
    DrillFact.2 AS DrillAt, DrillFact.3 AS DrillState, DrillFact.4 AS DrillN, DrillFact.5 AS DrillD
FROM
(
    SELECT
        Stream, CaseId, Subject, ifNull(toString(/*split*/), '') AS DrillSplit,
        arrayFilter(f -> f.2 >= {low:Int64} AND f.2 < {high:Int64}, /*facts*/) AS DrillFacts
    FROM /*table*/ FINAL
    WHERE TenantId = {tenant:String} AND /*within*/
)
ARRAY JOIN DrillFacts AS DrillFact
