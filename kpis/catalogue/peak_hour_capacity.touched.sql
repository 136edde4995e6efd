-- The days of the messages taken and of the ages and rates of queues received since, as far as they hold.
SELECT DISTINCT
    toDateTime(toStartOfHour(At, {tz:String}), 'UTC') AS Hour,
    toDateTime(toStartOfDay(At, {tz:String}), 'UTC') AS Day
FROM
(
    SELECT arrayJoin([TimeUnix, addMilliseconds(TimeUnix, toInt64({hold_s:Float64} * 1000))]) AS At
    FROM otel_metrics_gauge
    WHERE TenantId = {tenant:String}
        AND MetricName IN ('retail.queue.oldest_age', 'retail.queue.deliver_rate')
        AND ReceivedAt >= {since:DateTime64(9, 'UTC')}
        AND Attributes['messaging.destination.name'] != ''
    UNION ALL
    SELECT Timestamp
    FROM otel_traces
    WHERE TenantId = {tenant:String}
        AND SpanKind = 'Consumer'
        AND ReceivedAt >= {since:DateTime64(9, 'UTC')}
        AND SpanAttributes['messaging.destination.name'] != ''
)
