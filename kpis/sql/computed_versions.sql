-- How far each version of each KPI has been computed for a tenant, and by which calendar last.
SELECT KpiId, Version, max(DataThrough) AS Through, argMax(DimensionValue, ComputedAt) AS Calendar
FROM kpi_values
WHERE TenantId = {tenant:String} AND Grain = 'run'
GROUP BY KpiId, Version
