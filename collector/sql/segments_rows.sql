-- Rows of these segments in every table of OTLP items, by signal, tenant and segment. Compared with the ledger.
-- Key use: the minmax index on SegmentId; only that column and TenantId are read.
SELECT Signal, TenantId, SegmentId, count() AS Rows
FROM
(
    SELECT 'traces' AS Signal, TenantId, SegmentId FROM otel_traces WHERE SegmentId IN {segments:Array(UInt64)}
    UNION ALL
    SELECT 'logs', TenantId, SegmentId FROM otel_logs WHERE SegmentId IN {segments:Array(UInt64)}
    UNION ALL
    SELECT 'metrics', TenantId, SegmentId FROM otel_metrics_gauge WHERE SegmentId IN {segments:Array(UInt64)}
    UNION ALL
    SELECT 'metrics', TenantId, SegmentId FROM otel_metrics_sum WHERE SegmentId IN {segments:Array(UInt64)}
    UNION ALL
    SELECT 'metrics', TenantId, SegmentId FROM otel_metrics_histogram WHERE SegmentId IN {segments:Array(UInt64)}
    UNION ALL
    SELECT 'metrics', TenantId, SegmentId FROM otel_metrics_exponential_histogram
    WHERE SegmentId IN {segments:Array(UInt64)}
    UNION ALL
    SELECT 'metrics', TenantId, SegmentId FROM otel_metrics_summary WHERE SegmentId IN {segments:Array(UInt64)}
)
GROUP BY Signal, TenantId, SegmentId
