-- The days of the integration calls received since, and the days after them, as far as there are calls, that look back
-- at them.
WITH
    (
        SELECT max(Timestamp)
        FROM otel_traces
        WHERE TenantId = {tenant:String} AND SpanKind IN ('Client', 'Producer')
    ) AS Newest
SELECT DISTINCT
    toDateTime(Touched, 'UTC') AS Hour,
    toDateTime(Touched, 'UTC') AS Day
FROM
(
    SELECT
        toStartOfDay(Timestamp, {tz:String}) AS Called,
        addSeconds(max(Timestamp), toInt64({lookback_days:Float64} * 86400)) AS Until,
        arrayJoin(arrayFilter(day -> day <= Until AND day <= Newest,
            arrayMap(n -> addDays(Called, n), range(toUInt32(ceil({lookback_days:Float64})) + 2)))) AS Touched
    FROM otel_traces
    WHERE TenantId = {tenant:String}
        AND SpanKind IN ('Client', 'Producer')
        AND ReceivedAt >= {since:DateTime64(9, 'UTC')}
        AND mapContains(SpanAttributes, 'retail.edge')
        AND SpanAttributes['retail.edge'] != ''
    GROUP BY Called
)
