-- The newest time of receipt of each signal. Answered from the parts' metadata: no granule is read.
SELECT 'traces' AS Signal, max(ReceivedAt) AS Newest, count() AS Rows FROM otel_traces
UNION ALL
SELECT 'logs', max(ReceivedAt), count() FROM otel_logs
UNION ALL
SELECT 'metrics', max(ReceivedAt), count() FROM otel_metrics_gauge
UNION ALL
SELECT 'metrics', max(ReceivedAt), count() FROM otel_metrics_sum
UNION ALL
SELECT 'metrics', max(ReceivedAt), count() FROM otel_metrics_histogram
UNION ALL
SELECT 'metrics', max(ReceivedAt), count() FROM otel_metrics_exponential_histogram
UNION ALL
SELECT 'metrics', max(ReceivedAt), count() FROM otel_metrics_summary
