-- Of all tenants: ids of segments must never be given twice, whosever rows they hold.
SELECT greatest(
    (SELECT max(SegmentId) FROM otel_traces),
    (SELECT max(SegmentId) FROM otel_logs),
    (SELECT max(SegmentId) FROM otel_metrics_gauge),
    (SELECT max(SegmentId) FROM otel_metrics_sum),
    (SELECT max(SegmentId) FROM otel_metrics_histogram),
    (SELECT max(SegmentId) FROM otel_metrics_exponential_histogram),
    (SELECT max(SegmentId) FROM otel_metrics_summary),
    (SELECT max(SegmentId) FROM quarantine)
)
