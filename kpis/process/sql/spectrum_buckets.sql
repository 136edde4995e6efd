-- One transition by the time it begins, in buckets of equal width. Classes 1 (fastest) to 4 by the quartiles of the whole.
SELECT
    intDiv(Began - {first:Int64}, {width:Int64}) AS number,
    count() AS count,
    quantilesExactInclusive(0.5, 0.9)(Gap / 1e9) AS gap,
    [countIf(Gap <= {q1:Float64}), countIf(Gap > {q1:Float64} AND Gap <= {q2:Float64}),
        countIf(Gap > {q2:Float64} AND Gap <= {q3:Float64}), countIf(Gap > {q3:Float64})] AS classes
FROM
(
    SELECT CaseId, tupleElement(One, 2) AS Place, tupleElement(One, 3) AS Began, tupleElement(One, 4) AS Gap
    FROM
    (
        SELECT
            CaseId,
            arrayFilter(o -> o.1, arrayMap(
                (a, b, e, s, i) -> (
                    a = {from_step:String} AND b = {to_step:String}, i, e, greatest(s - e, 0)),
                arrayPopBack(Steps), arrayPopFront(Steps), arrayPopBack(Ends), arrayPopFront(Starts),
                arrayPopBack(arrayEnumerate(Steps)))) AS List
        FROM cases FINAL
        WHERE TenantId = {tenant:String} AND Stream = {stream:String} AND Events > 1
            AND has(Steps, {from_step:String}) AND has(Steps, {to_step:String}) AND /*filter*/
    )
    ARRAY JOIN List AS One
)
GROUP BY number
ORDER BY number
