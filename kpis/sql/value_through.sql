-- Everything received until then is in the KPI's values.
SELECT max(DataThrough) AS Through, count() AS Rows
FROM kpi_values
WHERE TenantId = {tenant:String} AND KpiId = {kpi:String} AND Version = {version:UInt16}
