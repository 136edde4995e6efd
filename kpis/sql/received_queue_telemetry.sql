-- The newest receipt of what tells about queues, gauges and spans of consumers, and how many rows came with or after `since`.
SELECT max(ReceivedAt) AS Newest, count() AS Rows
FROM
(
    SELECT ReceivedAt
    FROM otel_metrics_gauge
    WHERE TenantId = {tenant:String}
        AND MetricName LIKE 'retail.queue.%'
        AND ReceivedAt >= {since:DateTime64(9, 'UTC')}
    UNION ALL
    SELECT ReceivedAt
    FROM otel_traces
    WHERE TenantId = {tenant:String} AND SpanKind = 'Consumer' AND ReceivedAt >= {since:DateTime64(9, 'UTC')}
)
