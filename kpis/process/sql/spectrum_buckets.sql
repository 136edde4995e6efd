-- One transition by the time it begins, in buckets of equal width. Classes 1 (fastest) to 4 by the quartiles of the whole.
SELECT
    intDiv(Began - {first:Int64}, {width:Int64}) AS number,
    count() AS count,
    quantilesExactInclusive(0.5, 0.9)(Gap / 1e9) AS gap,
    [countIf(Gap <= {q1:Float64}), countIf(Gap > {q1:Float64} AND Gap <= {q2:Float64}),
        countIf(Gap > {q2:Float64} AND Gap <= {q3:Float64}), countIf(Gap > {q3:Float64})] AS classes
FROM
(
    /*occurrences*/
)
GROUP BY number
ORDER BY number
