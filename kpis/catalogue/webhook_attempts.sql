-- Attempts to deliver webhooks that started in the given buckets, per webhook and in total, for the KPIs of webhooks. A
-- span that arrived twice counts once; where the two differ it failed if one of them says so.
SELECT
    toDateTime(Bucket, 'UTC') AS BucketStart,
    Way.2 AS Basis,
    if(Webhook = '', '', 'webhook') AS Dimension,
    Webhook AS DimensionValue,
    if(Way.4 > 0, Way.3 / Way.4, NULL) AS Value,
    toFloat64(Way.3) AS Numerator,
    toFloat64(Way.4) AS Denominator,
    Way.4 AS SampleSize,
    toUInt64(0) AS Excluded,
    toUInt64(0) AS OpenCases
FROM
(
    SELECT
        Bucket,
        Webhook,
        [
            ('webhook_failure_rate', '', countIf(Failed), count()),
            ('webhook_retry_rate', 'deliveries', countIf(Failed AND Before = 0), countIf(Before = 0)),
            ('webhook_retry_rate', 'attempts', countIf(Before > 0), count())
        ] AS Ways
    FROM
    (
        SELECT
            if({grain:String} = 'hour', toStartOfHour(min(Timestamp), {tz:String}), toStartOfDay(min(Timestamp), {tz:String})) AS Bucket,
            any(SpanAttributes['retail.webhook.name']) AS Webhook,
            max(StatusCode = 'Error') AS Failed,
            max(toUInt32OrZero(SpanAttributes['http.request.resend_count'])) AS Before
        FROM otel_traces
        WHERE TenantId = {tenant:String}
            AND SpanKind = 'Client'
            AND Timestamp >= {start:DateTime64(9, 'UTC')}
            AND Timestamp < {end:DateTime64(9, 'UTC')}
            AND mapContains(SpanAttributes, 'retail.webhook.name')
            AND SpanAttributes['retail.webhook.name'] != ''
        GROUP BY TraceId, SpanId
    )
    WHERE has({buckets:Array(DateTime('UTC'))}, Bucket)
    GROUP BY GROUPING SETS ((Bucket, Webhook), (Bucket))
)
ARRAY JOIN Ways AS Way
WHERE Way.1 = {kpi:String} AND Way.4 > 0
ORDER BY BucketStart, Basis, Dimension, DimensionValue
