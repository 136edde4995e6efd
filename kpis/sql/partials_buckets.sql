-- Hours added up to hours, days, weeks and months: all, or the buckets asked for. Minutes stay minutes.
SELECT
    Measure, Grain, Start, sum(N) AS Numerators, sum(D) AS Denominators, sum(C) AS Counts, sum(L) AS LeftOuts, sum(O) AS Opens,
    quantilesExactInclusiveArray(0.5, 0.9)(Told) AS Percentiles
FROM
(
    SELECT
        Measure, Numerator AS N, Denominator AS D, Counted AS C, LeftOut AS L, Open AS O, Numbers AS Told, B.1 AS Grain, B.2 AS Start
    FROM
    (
        SELECT *, toInt64(toUnixTimestamp(Hour)) AS At
        FROM kpi_partials FINAL
        WHERE TenantId = {tenant:String} AND Measure IN {keys:Array(UInt64)} AND Hour > 0
            AND Hour >= toDateTime({low:Int64}, 'UTC') AND Hour < toDateTime({high:Int64}, 'UTC')
    )
    ARRAY JOIN [
        ('minute', At),
        ('hour', At),
        ('day', roundDown(At, {days:Array(Int64)})),
        ('week', roundDown(At, {weeks:Array(Int64)})),
        ('month', roundDown(At, {months:Array(Int64)}))] AS B
    WHERE (Grain = 'minute') = has({by_minute:Array(UInt64)}, Measure) AND ({all:UInt8} OR (Measure, Grain, Start) IN (
        SELECT arrayJoin(arrayZip({measures:Array(UInt64)}, {grains:Array(String)}, {starts:Array(Int64)}))))
)
GROUP BY Measure, Grain, Start
HAVING Counts > 0 OR LeftOuts > 0 OR Opens > 0
