-- Everybody of whom something is stored that a KPI or a report is made of.
SELECT DISTINCT TenantId FROM kpi_values
UNION DISTINCT
SELECT DISTINCT TenantId FROM process_events
UNION DISTINCT
SELECT DISTINCT TenantId FROM otel_traces
UNION DISTINCT
SELECT DISTINCT TenantId FROM otel_logs
UNION DISTINCT
SELECT DISTINCT TenantId FROM otel_metrics_gauge
UNION DISTINCT
SELECT DISTINCT TenantId FROM otel_metrics_sum
ORDER BY TenantId
