-- The hours that some measures speak of.
SELECT toUnixTimestamp(min(Hour)) AS First, toUnixTimestamp(max(Hour)) AS Last
FROM kpi_partials
WHERE TenantId = {tenant:String} AND Measure IN {keys:Array(UInt64)} AND Hour > 0
