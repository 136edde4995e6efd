-- A measure's facts of a period, by the values of a dimension (Kind 1), the values beyond the first together (2), and all (0).
SELECT
    Kind, Part,
    sumIf(N, State = 1) AS Numerator,
    sumIf(D, State = 1) AS Denominator,
    countIf(State = 1) AS Counted,
    countIf(State >= 10) AS LeftOut,
    countIf(State = 2) AS Open,
    countIf(State = 3) AS Ended,
    quantilesExactInclusiveIf(0.5, 0.9)(N, State = 1) AS Percentiles
FROM
(
    SELECT Group.1 AS Kind, Group.2 AS Part, F.3 AS State, F.4 AS N, F.5 AS D
    FROM
    (
        SELECT ifNull(toString(/*split*/), '') AS SplitBy, arrayFilter(f -> f.2 >= {low:Int64} AND f.2 < {high:Int64}, /*facts*/) AS SplitFacts
        FROM /*table*/ FINAL
        WHERE TenantId = {tenant:String} AND /*within*/
    )
    ARRAY JOIN SplitFacts AS F
    ARRAY JOIN [(0, ''), if(has({top:Array(String)}, SplitBy), (1, SplitBy), (2, ''))] AS Group
)
GROUP BY Kind, Part
ORDER BY Kind, indexOf({top:Array(String)}, Part)
