-- What a measure's facts of a period add up to, by state: counted, open, or left out for a reason.
SELECT DrillFact.3 AS State, count() AS Facts, sum(DrillFact.4) AS N, sum(DrillFact.5) AS D
FROM
(
    SELECT toString(/*split*/) AS DrillSplit, arrayFilter(f -> f.2 >= {low:Int64} AND f.2 < {high:Int64}, /*facts*/) AS DrillFacts
    FROM /*table*/ FINAL
    WHERE TenantId = {tenant:String} AND /*within*/
)
ARRAY JOIN DrillFacts AS DrillFact
WHERE NOT {narrowed:UInt8} OR DrillSplit = {value:String}
GROUP BY State
ORDER BY State
