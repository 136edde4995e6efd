-- How far the views of a tenant have come.
SELECT Model, Through, Taken, Version FROM kpi_marks FINAL WHERE TenantId = {tenant:String}
