-- Mean and sample standard deviation of the seconds from the end of one step to the start of a later one of its case, for
-- every ordered pair of steps; pairs of occurrences that overlap are left out. Steps are numbers, their places in
-- `names`. Blocks are small because a case has as many pairs as the square of its length.
SELECT
    Pair.1 AS from_place,
    Pair.2 AS to_place,
    count() AS count,
    avg(Pair.3) AS mean_s,
    if(count > 1, stddevSampStable(Pair.3), 0) AS deviation_s
FROM
(
    SELECT arrayFlatten(arrayMap(
        (a, ended, place) -> arrayMap(
            t -> (a, t.1, (t.2 - ended) / 1e9),
            arrayFilter(t -> t.2 >= ended, arraySlice(Later, place + 1))),
        Numbers, Ended, arrayEnumerate(Numbers))) AS Pairs
    FROM
    (
        SELECT
            arrayFilter(z -> z.1 > 0, arrayMap(
                (s, b, e) -> (toUInt16(indexOf({names:Array(String)}, toString(s))), b, e),
                Steps, Starts, Ends)) AS Known,
            Known.1 AS Numbers,
            Known.3 AS Ended,
            arrayZip(Known.1, Known.2) AS Later
        FROM cases FINAL
        WHERE TenantId = {tenant:String} AND Stream = {stream:String} AND Events > 1 AND Events <= {longest:UInt32}
            AND /*filter*/
    )
)
ARRAY JOIN Pairs AS Pair
GROUP BY from_place, to_place
ORDER BY from_place, to_place
SETTINGS max_block_size = 512
