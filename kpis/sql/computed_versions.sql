-- How far each version of each KPI has been computed for a tenant, by which calendar last, and when.
SELECT KpiId, Version, max(DataThrough) AS Through, argMax(DimensionValue, ComputedAt) AS Calendar, max(ComputedAt) AS Last
FROM kpi_values
WHERE TenantId = {tenant:String} AND BucketStart = toDateTime(0, 'UTC') AND Grain = 'run'
GROUP BY KpiId, Version
