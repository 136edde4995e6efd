-- The values of a dimension that a measure's facts of a period have, those with the most facts first, and how many there are.
SELECT SplitBy, count() OVER () AS Values
FROM
(
    SELECT SplitBy, sum(length(SplitFacts)) AS Facts
    FROM
    (
        SELECT ifNull(toString(/*split*/), '') AS SplitBy, arrayFilter(f -> f.3 != 3 AND f.2 >= {low:Int64} AND f.2 < {high:Int64}, /*facts*/) AS SplitFacts
        FROM /*table*/ FINAL
        WHERE TenantId = {tenant:String} AND /*within*/
    )
    GROUP BY SplitBy
    HAVING Facts > 0
)
ORDER BY Facts DESC, SplitBy
LIMIT {limit:UInt64}
