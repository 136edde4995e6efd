-- Failed and all integration calls that started in the given buckets, per edge and in total.
-- The total is not the sum of what the rows say but counted anew, so that one span counts once.
SELECT
    toDateTime(Bucket, 'UTC') AS BucketStart,
    '' AS Basis,
    if(Edge = '', '', 'edge') AS Dimension,
    Edge AS DimensionValue,
    if(Calls > 0, Failures / Calls, NULL) AS Value,
    toFloat64(Failures) AS Numerator,
    toFloat64(Calls) AS Denominator,
    Calls AS SampleSize,
    toUInt64(0) AS Excluded,
    toUInt64(0) AS OpenCases
FROM
(
    SELECT
        if({grain:String} = 'hour', toStartOfHour(Timestamp, {tz:String}), toStartOfDay(Timestamp, {tz:String})) AS Bucket,
        SpanAttributes['retail.edge'] AS Edge,
        uniqExact(TraceId, SpanId) AS Calls,
        uniqExactIf((TraceId, SpanId), StatusCode = 'Error') AS Failures
    FROM otel_traces
    WHERE TenantId = {tenant:String}
        AND SpanKind IN ('Client', 'Producer')
        AND Timestamp >= {start:DateTime64(9, 'UTC')}
        AND Timestamp < {end:DateTime64(9, 'UTC')}
        AND mapContains(SpanAttributes, 'retail.edge')
        AND Edge != ''
        AND has({buckets:Array(DateTime('UTC'))}, Bucket)
    GROUP BY GROUPING SETS ((Bucket, Edge), (Bucket))
)
ORDER BY BucketStart, Dimension, DimensionValue
