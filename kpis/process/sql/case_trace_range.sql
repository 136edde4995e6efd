-- When the traces happened, in whole seconds, so that their spans are looked for in few partitions.
SELECT count() AS known, min(Start) AS first, max(End) AS last
FROM otel_traces_trace_id_ts
WHERE TenantId = {tenant:String} AND TraceId IN {traces:Array(String)}
