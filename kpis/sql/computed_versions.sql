-- Which versions of which KPIs have been computed for a tenant.
SELECT DISTINCT KpiId, Version FROM kpi_values WHERE TenantId = {tenant:String} AND Grain = 'run'
