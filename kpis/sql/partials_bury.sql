-- Hours of these measures that a computation of all of them no longer has.
INSERT INTO kpi_partials (TenantId, Measure, Hour, Version)
SELECT TenantId, Measure, Hour, {version:UInt64}
FROM kpi_partials FINAL
WHERE TenantId = {tenant:String} AND Measure IN {keys:Array(UInt64)} AND Version < {version:UInt64} AND Hour > 0
    AND (Counted > 0 OR LeftOut > 0 OR Open > 0)
