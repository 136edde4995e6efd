-- Every measure of a view by bucket. `Wanted`: the buckets asked for; without one all of them.
SELECT
    M, Grain, Start,
    sumIf(N, State = 1) AS Numerator,
    sumIf(D, State = 1) AS Denominator,
    countIf(State = 1) AS Counted,
    countIf(State >= 10) AS LeftOut,
    countIf(State = 2) AS Open,
    quantilesExactInclusiveIf(0.5, 0.9)(N, State = 1 AND has({ordered:Array(UInt16)}, M)) AS Percentiles
FROM
(
    SELECT F.1 AS M, F.3 AS State, F.4 AS N, F.5 AS D, B.1 AS Grain, B.2 AS Start
    FROM
    (
        SELECT arrayFilter(f -> f.2 >= {low:Int64} AND f.2 < {high:Int64}, /*facts*/) AS Facts
        FROM /*table*/ FINAL
        WHERE TenantId = {tenant:String}
    )
    ARRAY JOIN Facts AS F
    ARRAY JOIN [
        ('hour', toInt64(toUnixTimestamp(toStartOfHour(toDateTime(F.2, 'UTC'), {tz:String})))),
        ('day', roundDown(toInt64(F.2), {days:Array(Int64)})),
        ('week', roundDown(toInt64(F.2), {weeks:Array(Int64)})),
        ('month', roundDown(toInt64(F.2), {months:Array(Int64)}))] AS B
    WHERE {all:UInt8} OR (M, Grain, Start) IN (SELECT arrayJoin(arrayZip({ms:Array(UInt16)}, {grains:Array(String)}, {starts:Array(Int64)})))
)
GROUP BY M, Grain, Start
