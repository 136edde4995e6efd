-- What began and what ended of measures that are levels: hour by hour from the second on that each is asked for since, and
-- all before that together, as if it were told a second before.
SELECT
    Measure,
    greatest(toInt64(toUnixTimestamp(Hour)), {since:Array(Int64)}[indexOf({keys:Array(UInt64)}, Measure)] - 1) AS At,
    sum(Numerator), sum(Denominator), sum(Counted)
FROM kpi_partials FINAL
WHERE TenantId = {tenant:String} AND Measure IN {keys:Array(UInt64)} AND Hour > toDateTime(0, 'UTC') AND Hour <= {until:DateTime('UTC')}
GROUP BY Measure, At
ORDER BY Measure, At
