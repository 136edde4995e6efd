-- Distinct series of every metric, and distinct values of the attributes of all metrics, in a sample of granules.
WITH points AS
(
    SELECT MetricName, ServiceName, Attributes, ResourceAttributes
    FROM otel_metrics_gauge
    PREWHERE (_part_granule_offset + cityHash64(_part)) % {every:UInt64} = 0
    WHERE TenantId = {tenant:String} AND ReceivedAt >= {since:DateTime64(9, 'UTC')}
    UNION ALL
    SELECT MetricName, ServiceName, Attributes, ResourceAttributes
    FROM otel_metrics_sum
    PREWHERE (_part_granule_offset + cityHash64(_part)) % {every:UInt64} = 0
    WHERE TenantId = {tenant:String} AND ReceivedAt >= {since:DateTime64(9, 'UTC')}
    UNION ALL
    SELECT MetricName, ServiceName, Attributes, ResourceAttributes
    FROM otel_metrics_histogram
    PREWHERE (_part_granule_offset + cityHash64(_part)) % {every:UInt64} = 0
    WHERE TenantId = {tenant:String} AND ReceivedAt >= {since:DateTime64(9, 'UTC')}
    UNION ALL
    SELECT MetricName, ServiceName, Attributes, ResourceAttributes
    FROM otel_metrics_exponential_histogram
    PREWHERE (_part_granule_offset + cityHash64(_part)) % {every:UInt64} = 0
    WHERE TenantId = {tenant:String} AND ReceivedAt >= {since:DateTime64(9, 'UTC')}
    UNION ALL
    SELECT MetricName, ServiceName, Attributes, ResourceAttributes
    FROM otel_metrics_summary
    PREWHERE (_part_granule_offset + cityHash64(_part)) % {every:UInt64} = 0
    WHERE TenantId = {tenant:String} AND ReceivedAt >= {since:DateTime64(9, 'UTC')}
)
SELECT
    Place, Name, DistinctValues, Found, Size, if(AllSize = 0, 0, Size / AllSize) AS ByteShare, Services, Examples
FROM
(
    SELECT
        Place, Name,
        uniqCombined(14)(Value) AS DistinctValues,
        count() AS Found,
        sum(Bytes) AS Size,
        sum(if(Place = 'item', Size, 0)) OVER () AS AllSize,
        topK(5)(ServiceName) AS Services,
        groupUniqArray(3)(substringUTF8(Text, 1, 80)) AS Examples
    FROM
    (
        SELECT
            'series' AS Place, ServiceName, MetricName AS Name,
            toString(cityHash64(ResourceAttributes, Attributes)) AS Value, toString(Attributes) AS Text,
            arraySum(x -> length(x), mapKeys(Attributes)) + arraySum(x -> length(x), mapValues(Attributes)) AS Bytes
        FROM points
        UNION ALL
        SELECT 'item' AS Place, ServiceName, Name, Value, Value AS Text, length(Name) + length(Value) AS Bytes
        FROM points
        ARRAY JOIN mapKeys(Attributes) AS Name, mapValues(Attributes) AS Value
    )
    GROUP BY Place, Name
)
WHERE DistinctValues >= {least:UInt64}
ORDER BY DistinctValues DESC, Name
LIMIT 200
