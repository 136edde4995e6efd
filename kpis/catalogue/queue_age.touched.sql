-- The buckets in which the ages received since hold, at most.
SELECT DISTINCT
    toDateTime(toStartOfHour(At, {tz:String}), 'UTC') AS Hour,
    toDateTime(toStartOfDay(At, {tz:String}), 'UTC') AS Day
FROM
(
    SELECT arrayJoin(arrayConcat(
        arrayMap(n -> addSeconds(TimeUnix, n * 3600), range(toUInt32(ceil({hold_s:Float64} / 3600)))),
        [subtractNanoseconds(addMilliseconds(TimeUnix, toInt64({hold_s:Float64} * 1000)), 1)])) AS At
    FROM otel_metrics_gauge
    WHERE TenantId = {tenant:String}
        AND MetricName = 'retail.queue.oldest_age'
        AND ReceivedAt >= {since:DateTime64(9, 'UTC')}
        AND Attributes['messaging.destination.name'] != ''
)
