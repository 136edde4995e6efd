-- Some hours of some measures.
SELECT Measure, toUnixTimestamp(Hour) AS At, Numerator, Denominator, Counted, LeftOut, Open, Numbers
FROM kpi_partials FINAL
WHERE TenantId = {tenant:String}
    AND (Measure, Hour) IN (SELECT P.1, toDateTime(P.2, 'UTC') FROM (SELECT arrayJoin(arrayZip({measures:Array(UInt64)}, {hours:Array(UInt32)})) AS P))
