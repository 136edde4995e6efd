-- Who takes work from each queue: the service with the most CONSUMER spans per destination since the given time.
-- Key use: TenantId and the day partitions of Timestamp. Asked only when a notification has been decided.
SELECT Destination, argMax(ServiceName, Spans) AS Consumer
FROM
(
    SELECT SpanAttributes['messaging.destination.name'] AS Destination, ServiceName, count() AS Spans
    FROM otel_traces
    WHERE TenantId = {tenant:String}
        AND Timestamp > {since:DateTime64(9, 'UTC')}
        AND SpanKind = 'Consumer'
        AND SpanAttributes['messaging.destination.name'] != ''
    GROUP BY Destination, ServiceName
)
GROUP BY Destination
ORDER BY Destination
