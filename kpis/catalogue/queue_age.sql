-- Ages of queues over the time of the given buckets, per queue and over all, for the KPIs of queue age. A sample counts
-- once for its queue and time; where two differ the greater age stands. Sums are of whole milliseconds, so that they do
-- not depend on the order of adding. In buckets of their own samples only, so that what is held makes no bucket ahead.
WITH
    toInt64({hold_s:Float64} * 1000) AS HoldMs,
    arrayMap((a, b) -> (toInt64(toUnixTimestamp(a)) * 1000, toInt64(toUnixTimestamp(b)) * 1000),
        {buckets:Array(DateTime('UTC'))}, {ends:Array(DateTime('UTC'))}) AS Buckets,
    samples AS
    (
        SELECT
            concat(Attributes['messaging.system'], '/', Attributes['messaging.destination.name'],
                if(Attributes['messaging.consumer.group.name'] = '', '', concat('/', Attributes['messaging.consumer.group.name']))) AS Queue,
            intDiv(toUnixTimestamp64Nano(TimeUnix), 1000000) AS AtMs,
            max(if(bitAnd(Flags, 1) = 0 AND isFinite(Value) AND Value >= 0, toInt64(round(least(Value, 1e9) * 1000)), NULL)) AS AgeMs
        FROM otel_metrics_gauge
        WHERE TenantId = {tenant:String}
            AND MetricName = 'retail.queue.oldest_age'
            AND TimeUnix >= subtractMilliseconds({start:DateTime64(9, 'UTC')}, HoldMs)
            AND TimeUnix < {end:DateTime64(9, 'UTC')}
            AND Attributes['messaging.destination.name'] != ''
        GROUP BY Queue, AtMs
    ),
    held AS
    (
        SELECT
            Queue,
            AtMs,
            AgeMs,
            least(AtMs + HoldMs, leadInFrame(AtMs, 1, AtMs + HoldMs) OVER
                (PARTITION BY Queue ORDER BY AtMs ASC ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)) AS UntilMs
        FROM samples
    ),
    pieces AS
    (
        SELECT
            Queue,
            AgeMs,
            B.1 AS BeginMs,
            AtMs >= B.1 AS Own,
            least(UntilMs, B.2) - greatest(AtMs, B.1) AS Ms,
            max(AtMs >= B.1) OVER (PARTITION BY B.1, Queue) AS Seen
        FROM held
        ARRAY JOIN arrayFilter(b -> b.1 < UntilMs AND b.2 > AtMs, Buckets) AS B
    )
SELECT
    toDateTime(intDiv(BeginMs, 1000), 'UTC') AS BucketStart,
    Way.2 AS Basis,
    if(Queue = '', '', 'queue') AS Dimension,
    Queue AS DimensionValue,
    if(KnownMs > 0, Way.3, NULL) AS Value,
    if(KnownMs > 0, Way.4, 0) AS Numerator,
    if(KnownMs > 0, Way.5, 0) AS Denominator,
    Held AS SampleSize,
    Unknown AS Excluded,
    toUInt64(0) AS OpenCases
FROM
(
    SELECT
        BeginMs,
        Queue,
        sumIf(Ms, AgeMs IS NOT NULL) AS KnownMs,
        countIf(AgeMs IS NOT NULL) AS Held,
        countIf(AgeMs IS NULL AND Own) AS Unknown,
        toFloat64(KnownMs) / 1000 AS Known,
        toFloat64(sumIf(toInt128(assumeNotNull(AgeMs)) * Ms, AgeMs IS NOT NULL)) / 1e6 AS Area,
        toFloat64(sumIf(Ms, AgeMs > {objective_s:Float64} * 1000)) / 1000 AS Beyond,
        toFloat64(maxIf(assumeNotNull(AgeMs), AgeMs IS NOT NULL)) / 1000 AS Greatest,
        toFloat64(quantileExactWeightedIf(0.9)(assumeNotNull(AgeMs), toUInt64(Ms), AgeMs IS NOT NULL)) / 1000 AS Ninth,
        [
            ('queue_age', 'mean', Area / Known, Area, Known),
            ('queue_age', 'p90', Ninth, Area, Known),
            ('queue_age', 'maximum', Greatest, Greatest, 1.),
            ('queue_age_objective', '', Beyond / Known, Beyond, Known)
        ] AS Ways
    FROM pieces
    WHERE Seen AND Ms > 0
    GROUP BY GROUPING SETS ((BeginMs, Queue), (BeginMs))
)
ARRAY JOIN Ways AS Way
WHERE Way.1 = {kpi:String}
ORDER BY BucketStart, Basis, Dimension, DimensionValue
