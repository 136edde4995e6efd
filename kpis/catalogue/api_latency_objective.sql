-- Calls answered in the given buckets, in total, per service and per route. A span that arrived twice counts once; where
-- the two differ it failed if one of them says so, and took the longer time.
SELECT
    toDateTime(Bucket, 'UTC') AS BucketStart,
    Way.1 AS Basis,
    multiIf(Route != '', 'route', Service != '', 'service', '') AS Dimension,
    if(Route != '', Route, Service) AS DimensionValue,
    if(Answered > 0, Way.2 / Answered, NULL) AS Value,
    toFloat64(Way.2) AS Numerator,
    toFloat64(Answered) AS Denominator,
    Answered AS SampleSize,
    Failed AS Excluded,
    toUInt64(0) AS OpenCases
FROM
(
    SELECT
        Bucket,
        Service,
        Route,
        countIf(NOT Error) AS Answered,
        countIf(Error) AS Failed,
        [
            ('fast', countIf(NOT Error AND Took <= {fast_ms:Float64} * 1e6)),
            ('acceptable', countIf(NOT Error AND Took <= {acceptable_ms:Float64} * 1e6))
        ] AS Ways
    FROM
    (
        SELECT
            if({grain:String} = 'hour', toStartOfHour(min(Timestamp), {tz:String}), toStartOfDay(min(Timestamp), {tz:String})) AS Bucket,
            any(ServiceName) AS Service,
            concat(any(ServiceName), ' ', any(SpanName)) AS Route,
            max(StatusCode = 'Error') AS Error,
            max(Duration) AS Took
        FROM otel_traces
        WHERE TenantId = {tenant:String}
            AND SpanKind = 'Server'
            AND ServiceName != ''
            AND Timestamp >= {start:DateTime64(9, 'UTC')}
            AND Timestamp < {end:DateTime64(9, 'UTC')}
        GROUP BY TraceId, SpanId
    )
    WHERE has({buckets:Array(DateTime('UTC'))}, Bucket)
    GROUP BY GROUPING SETS ((Bucket), (Bucket, Service), (Bucket, Service, Route))
)
ARRAY JOIN Ways AS Way
ORDER BY BucketStart, Basis, Dimension, DimensionValue
