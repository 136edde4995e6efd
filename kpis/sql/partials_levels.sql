-- What began and what ended, hour by hour, of measures that are levels.
SELECT Measure, toUnixTimestamp(Hour) AS At, Numerator, Denominator, Counted
FROM kpi_partials FINAL
WHERE TenantId = {tenant:String} AND Measure IN {keys:Array(UInt64)} AND Hour != toDateTime(0) AND Hour <= {until:DateTime('UTC')}
ORDER BY Measure, At
