-- Sums of minutes that nothing changes any more.
DELETE FROM kpi_partials
WHERE TenantId = {tenant:String} AND Measure IN {keys:Array(UInt64)} AND Hour > 0 AND Hour < {before:DateTime('UTC')}
