-- How many traces the cases name, and between which seconds spans of these began, so that few partitions are read.
WITH
    chosen AS (
        SELECT CaseId
        FROM cases FINAL
        WHERE TenantId = {tenant:String} AND Stream = {stream:String} AND /*filter*/),
    named AS (
        SELECT DISTINCT TraceId
        FROM case_index
        WHERE TenantId = {tenant:String} AND Stream = {stream:String} AND TraceId != '' AND CaseId IN chosen)
SELECT (SELECT count() FROM named) AS named_traces, count() > 0 AS known, min(Start) AS first, max(End) AS last
FROM otel_traces_trace_id_ts
WHERE TenantId = {tenant:String} AND TraceId IN named
