-- When a trace happened, so that its spans are looked for in few partitions.
SELECT count() AS Known, min(Start) AS First, max(End) AS Last
FROM otel_traces_trace_id_ts
WHERE TenantId = {tenant:String} AND TraceId = {trace_id:String}
