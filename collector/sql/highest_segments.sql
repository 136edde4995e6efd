-- Of all tenants: ids of segments must never be given twice, whosever rows they hold.
SELECT bitShiftRight(SegmentId, {bits:UInt8}) AS lane, max(SegmentId) AS highest
FROM
(
    SELECT SegmentId FROM otel_traces
    UNION ALL SELECT SegmentId FROM otel_logs
    UNION ALL SELECT SegmentId FROM otel_metrics_gauge
    UNION ALL SELECT SegmentId FROM otel_metrics_sum
    UNION ALL SELECT SegmentId FROM otel_metrics_histogram
    UNION ALL SELECT SegmentId FROM otel_metrics_exponential_histogram
    UNION ALL SELECT SegmentId FROM otel_metrics_summary
    UNION ALL SELECT SegmentId FROM quarantine
)
GROUP BY lane
