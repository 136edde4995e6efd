-- The buckets of the answered calls received since.
SELECT DISTINCT
    toDateTime(toStartOfHour(Timestamp, {tz:String}), 'UTC') AS Hour,
    toDateTime(toStartOfDay(Timestamp, {tz:String}), 'UTC') AS Day
FROM otel_traces
WHERE TenantId = {tenant:String}
    AND SpanKind = 'Server'
    AND ServiceName != ''
    AND ReceivedAt >= {since:DateTime64(9, 'UTC')}
