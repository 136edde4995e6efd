-- Everybody with something to compute.
SELECT DISTINCT TenantId FROM process_events
UNION DISTINCT
SELECT DISTINCT TenantId FROM otel_traces
ORDER BY TenantId
