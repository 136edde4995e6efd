-- Distinct values of every attribute in a sample of granules; those with few values are left out.
SELECT
    Place, Name, DistinctValues, Found, Size, if(AllSize = 0, 0, Size / AllSize) AS ByteShare, Services, Examples
FROM
(
    SELECT
        Place, Name,
        uniqCombined(14)(Value) AS DistinctValues,
        count() AS Found,
        sum(length(Name) + length(Value)) AS Size,
        sum(Size) OVER () AS AllSize,
        topK(5)(ServiceName) AS Services,
        groupUniqArray(3)(substringUTF8(Value, 1, 80)) AS Examples
    FROM
    (
        SELECT 'item' AS Place, ServiceName, Name, Value
        FROM otel_traces
        ARRAY JOIN mapKeys(SpanAttributes) AS Name, mapValues(SpanAttributes) AS Value
        PREWHERE (_part_granule_offset + cityHash64(_part)) % {every:UInt64} = 0
        WHERE TenantId = {tenant:String} AND ReceivedAt >= {since:DateTime64(9, 'UTC')}
        UNION ALL
        SELECT 'resource' AS Place, ServiceName, Name, Value
        FROM otel_traces
        ARRAY JOIN mapKeys(ResourceAttributes) AS Name, mapValues(ResourceAttributes) AS Value
        PREWHERE (_part_granule_offset + cityHash64(_part)) % {every:UInt64} = 0
        WHERE TenantId = {tenant:String} AND ReceivedAt >= {since:DateTime64(9, 'UTC')}
    )
    GROUP BY Place, Name
)
WHERE DistinctValues >= {least:UInt64}
ORDER BY DistinctValues DESC, Name
LIMIT 200
