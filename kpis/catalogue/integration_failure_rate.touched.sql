-- The buckets of the integration calls received since.
SELECT DISTINCT
    toDateTime(toStartOfHour(Timestamp, {tz:String}), 'UTC') AS Hour,
    toDateTime(toStartOfDay(Timestamp, {tz:String}), 'UTC') AS Day
FROM otel_traces
WHERE TenantId = {tenant:String}
    AND SpanKind IN ('Client', 'Producer')
    AND ReceivedAt >= {since:DateTime64(9, 'UTC')}
    AND mapContains(SpanAttributes, 'retail.edge')
    AND SpanAttributes['retail.edge'] != ''
