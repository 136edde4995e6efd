-- How far a KPI's job has come for a tenant: everything received until then is in its values; and by which calendar.
SELECT max(DataThrough) AS DataThrough, count() AS Runs, argMax(DimensionValue, ComputedAt) AS Calendar
FROM kpi_values
WHERE TenantId = {tenant:String}
    AND KpiId = {kpi:String}
    AND Version = {version:UInt16}
    AND Grain = 'run'
