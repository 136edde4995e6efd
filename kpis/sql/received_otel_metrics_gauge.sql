-- The newest receipt of a gauge about a queue, and how many rows came with or after `since`.
SELECT max(ReceivedAt) AS Newest, count() AS Rows
FROM otel_metrics_gauge
WHERE TenantId = {tenant:String}
    AND MetricName LIKE 'retail.queue.%'
    AND ReceivedAt >= {since:DateTime64(9, 'UTC')}
