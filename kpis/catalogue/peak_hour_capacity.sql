-- Throughput of queues by hours, told apart by whether waiting grew, for the given days; per queue and for all together.
-- The age at a full hour is that of the newest sample before it, when it is not too old. Samples and spans that arrived
-- twice count once. Ages are whole milliseconds, rates whole millionths, so that sums do not depend on the order.
WITH
    toInt64({hold_s:Float64} * 1000) AS HoldMs,
    arrayMap((a, b) -> (toInt64(toUnixTimestamp(a)) * 1000, toInt64(toUnixTimestamp(b)) * 1000),
        {buckets:Array(DateTime('UTC'))}, {ends:Array(DateTime('UTC'))}) AS Days,
    toInt64(3600000) AS HourMs,
    gauges AS
    (
        SELECT
            MetricName = 'retail.queue.oldest_age' AS IsAge,
            concat(Attributes['messaging.system'], '/', Attributes['messaging.destination.name'],
                if(Attributes['messaging.consumer.group.name'] = '', '', concat('/', Attributes['messaging.consumer.group.name']))) AS Queue,
            intDiv(toUnixTimestamp64Nano(TimeUnix), 1000000) AS AtMs,
            max(if(bitAnd(Flags, 1) = 0 AND isFinite(Value) AND Value >= 0, toInt64(round(least(Value, 1e9) * if(IsAge, 1e3, 1e6))), NULL)) AS Whole
        FROM otel_metrics_gauge
        WHERE TenantId = {tenant:String}
            AND MetricName IN ('retail.queue.oldest_age', 'retail.queue.deliver_rate')
            AND TimeUnix >= subtractMilliseconds({start:DateTime64(9, 'UTC')}, HoldMs)
            AND TimeUnix < {end:DateTime64(9, 'UTC')}
            AND Attributes['messaging.destination.name'] != ''
        GROUP BY IsAge, Queue, AtMs
    ),
    ages AS
    (
        SELECT
            Queue,
            Whole,
            AtMs,
            least(AtMs + HoldMs, leadInFrame(AtMs, 1, AtMs + HoldMs) OVER
                (PARTITION BY Queue ORDER BY AtMs ASC ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)) AS UntilMs
        FROM gauges
        WHERE IsAge
    ),
    waits AS
    (
        SELECT
            Queue,
            Full.1 AS Hour,
            maxIf(Whole, Full.2 = 0) AS First,
            maxIf(Whole, Full.2 = 1) AS Last,
            First IS NOT NULL AND Last IS NOT NULL AS Known,
            ifNull(Last > First + {grow_s:Float64} * 1000, 0) AS Grew
        FROM
        (
            SELECT
                Queue,
                Whole,
                arrayJoin(arrayFilter(day -> day.1 <= UntilMs AND day.2 > AtMs, Days)) AS Day,
                arrayJoin(range(
                    greatest(toInt64(floor((AtMs - Day.1) / HourMs)) + 1, 0),
                    toInt64(floor((least(UntilMs, Day.2) - Day.1) / HourMs)) + 1)) AS Nth,
                Day.1 + Nth * HourMs AS At
            FROM ages
        )
        ARRAY JOIN arrayFilter(full -> full.1 >= Day.1 AND full.1 < Day.2, [(At, 0), (At - HourMs, 1)]) AS Full
        GROUP BY Queue, Hour
    ),
    spans AS
    (
        SELECT
            any(concat(SpanAttributes['messaging.system'], '/', SpanAttributes['messaging.destination.name'],
                if(SpanAttributes['messaging.consumer.group.name'] = '', '', concat('/', SpanAttributes['messaging.consumer.group.name'])))) AS Queue,
            intDiv(toUnixTimestamp64Nano(min(Timestamp)), 1000000) AS AtMs
        FROM otel_traces
        WHERE TenantId = {tenant:String}
            AND SpanKind = 'Consumer'
            AND Timestamp >= {start:DateTime64(9, 'UTC')}
            AND Timestamp < {end:DateTime64(9, 'UTC')}
            AND SpanAttributes['messaging.destination.name'] != ''
            AND SpanAttributes['messaging.operation.type'] != 'receive'
        GROUP BY TraceId, SpanId
    ),
    taken AS
    (
        SELECT
            Queue,
            Days[indexOf(arrayMap(day -> AtMs >= day.1 AND AtMs < day.2, Days), 1)].1 AS Day,
            Day + intDiv(AtMs - Day, HourMs) * HourMs AS Hour,
            if(max(sum(Spans)) OVER (PARTITION BY Queue, Day) > 0, toFloat64(sum(Spans)),
                if(sum(Rates) > 0, toFloat64(sum(Rate)) * 3600 / 1e6 / sum(Rates), 0)) AS Taken
        FROM
        (
            SELECT Queue, AtMs, 1 AS Spans, 0 AS Rates, toInt64(0) AS Rate
            FROM spans
            UNION ALL
            SELECT Queue, AtMs, 0, 1, assumeNotNull(Whole)
            FROM gauges
            WHERE NOT IsAge AND Whole IS NOT NULL
        )
        WHERE Day > 0
        GROUP BY Queue, Day, Hour
    )
SELECT
    toDateTime(intDiv(Day, 1000), 'UTC') AS BucketStart,
    Way.1 AS Basis,
    if(Name = '', '', 'queue') AS Dimension,
    Name AS DimensionValue,
    if(Way.3 > 0, Way.2, NULL) AS Value,
    if(Way.3 > 0, Way.2, 0) AS Numerator,
    1. AS Denominator,
    Way.3 AS SampleSize,
    Unknown AS Excluded,
    toUInt64(Behind = 0 AND Kept > 0) AS OpenCases
FROM
(
    SELECT
        Day,
        Name,
        countIf(State = 1) AS Kept,
        countIf(State = 2) AS Behind,
        countIf(State = 0) AS Unknown,
        [
            ('kept_up', maxIf(Messages, State = 1), Kept),
            ('fell_behind', quantileExactInclusiveIf(0.5)(Messages, State = 2), Behind)
        ] AS Ways
    FROM
    (
        SELECT
            Day,
            Queue AS Name,
            max(Known + Known * Grew) AS State,
            sumIf(Taken, Known OR Name != '') AS Messages
        FROM taken
        LEFT JOIN waits USING (Queue, Hour)
        WHERE Taken > 0
        GROUP BY GROUPING SETS ((Day, Hour, Name), (Day, Hour))
    )
    GROUP BY Day, Name
)
ARRAY JOIN Ways AS Way
WHERE Way.3 > 0 OR Unknown > 0
ORDER BY BucketStart, Basis, Dimension, DimensionValue
