-- The measures whose hours are all there.
SELECT Measure FROM kpi_partials FINAL WHERE TenantId = {tenant:String} AND Hour = 0
