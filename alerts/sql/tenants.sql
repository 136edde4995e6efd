-- Everybody with something to judge: KPI values, or a queue measured since the given time.
SELECT DISTINCT TenantId FROM kpi_values
UNION DISTINCT
SELECT DISTINCT TenantId FROM otel_metrics_gauge WHERE TimeUnix > {since:DateTime64(9, 'UTC')}
ORDER BY TenantId
