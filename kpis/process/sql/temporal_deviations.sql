-- Occurrences of pairs of steps (see temporal_profile.sql) whose time is more than `zeta` standard deviations from the
-- mean; a microsecond of it is forgiven to floating point. `means` and `deviations` hold the profile, row by row; a
-- negative deviation marks a pair without one. The row with places 0 is about all pairs together.
SELECT
    from_place,
    to_place,
    count() AS count,
    uniqExact(CaseId) AS cases,
    countIf(Took > Mean) AS slower,
    arraySlice(groupArraySorted(100)((-Distance, CaseId, from_place, to_place, Took)), 1,
        if(from_place = 0, 100, {examples:UInt32})) AS worst
FROM
(
    SELECT
        CaseId, Pair.1 AS from_place, Pair.2 AS to_place, Pair.3 AS Took,
        (toUInt32(from_place) - 1) * length({names:Array(String)}) + to_place AS Cell,
        {means:Array(Float64)}[Cell] AS Mean,
        {deviations:Array(Float64)}[Cell] AS Deviation,
        if(Deviation = 0, inf, abs(Took - Mean) / Deviation) AS Distance
    FROM
    (
        SELECT CaseId, arrayFlatten(arrayMap(
            (a, ended, place) -> arrayMap(
                t -> (a, t.1, (t.2 - ended) / 1e9),
                arrayFilter(t -> t.2 >= ended, arraySlice(Later, place + 1))),
            Numbers, Ended, arrayEnumerate(Numbers))) AS Pairs
        FROM
        (
            SELECT
                CaseId,
                arrayFilter(z -> z.1 > 0, arrayMap(
                    (s, b, e) -> (toUInt16(indexOf({names:Array(String)}, toString(s))), b, e),
                    Steps, Starts, Ends)) AS Known,
                Known.1 AS Numbers,
                Known.3 AS Ended,
                arrayZip(Known.1, Known.2) AS Later
            FROM cases FINAL
            WHERE TenantId = {tenant:String} AND Stream = {stream:String} AND Events > 1
                AND Events <= {longest:UInt32} AND /*filter*/
        )
    )
    ARRAY JOIN Pairs AS Pair
    WHERE Deviation >= 0 AND abs(Took - Mean) > {zeta:Float64} * Deviation + 1e-6
)
GROUP BY GROUPING SETS ((from_place, to_place), ())
ORDER BY count DESC, from_place, to_place
SETTINGS max_block_size = 512
