-- The newest look at each name beside the first one within the time, and when it was first seen at all.
SELECT
    Signal, Place, Name,
    argMax(DistinctValues, (Hour, ComputedAt)) AS DistinctNow,
    argMinIf(DistinctValues, Hour, Hour >= {since:DateTime('UTC')}) AS DistinctThen,
    argMax(ByteShare, (Hour, ComputedAt)) AS Share,
    argMax(SampledRows, (Hour, ComputedAt)) AS Sampled,
    argMax(Rows, (Hour, ComputedAt)) AS AllRows,
    argMax(Services, (Hour, ComputedAt)) AS LastServices,
    argMax(Examples, (Hour, ComputedAt)) AS LastExamples,
    min(Hour) AS FirstSeen,
    max(Hour) AS LastSeen
FROM attribute_cardinality FINAL
WHERE TenantId = {tenant:String}
GROUP BY Signal, Place, Name
HAVING LastSeen >= {since:DateTime('UTC')}
ORDER BY DistinctNow DESC, Signal, Place, Name
LIMIT 500
