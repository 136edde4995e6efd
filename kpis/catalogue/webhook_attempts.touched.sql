-- The buckets of the webhook attempts received since.
SELECT DISTINCT
    toDateTime(toStartOfHour(Timestamp, {tz:String}), 'UTC') AS Hour,
    toDateTime(toStartOfDay(Timestamp, {tz:String}), 'UTC') AS Day
FROM otel_traces
WHERE TenantId = {tenant:String}
    AND SpanKind = 'Client'
    AND ReceivedAt >= {since:DateTime64(9, 'UTC')}
    AND mapContains(SpanAttributes, 'retail.webhook.name')
    AND SpanAttributes['retail.webhook.name'] != ''
