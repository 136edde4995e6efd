-- The measured values themselves, in rising order, of measures of which a percentile is told. Of more than `most` the middle
-- one of each of `most` equal stretches stands for its neighbours; `N` says how many there are.
SELECT
    M, P, length(S) AS N,
    if(N <= {most:UInt32}, S, arrayMap(k -> S[intDiv((2 * k + 1) * N, 2 * {most:UInt32}) + 1], range({most:UInt32}))) AS Values
FROM
(
    SELECT F.1 AS M, C.1 AS P, arraySort(groupArray(F.4)) AS S
    FROM
    (
        SELECT arrayFilter(f -> f.2 >= {low:Int64} AND f.2 < {high:Int64}, /*facts*/) AS Facts
        FROM /*table*/ FINAL
        WHERE TenantId = {tenant:String} AND /*selection*/
    )
    ARRAY JOIN Facts AS F
    ARRAY JOIN arrayFilter(c -> F.2 >= c.2 AND F.2 < c.3, {cells:Array(Array(Tuple(UInt8, Int64, Int64)))}[F.1 + 1]) AS C
    WHERE F.3 = 1
    GROUP BY M, P
)
ORDER BY M, P
