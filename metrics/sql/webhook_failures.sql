-- Deliveries per webhook and edge, from CLIENT spans that name a webhook and started in the half-open window.
-- What failed says, the first that is there: the status message, error.type, the HTTP status. A repeated span counts once.
SELECT
    Webhook,
    Edge,
    count() AS Attempts,
    countIf(Failed) AS Failures,
    maxIf(Timestamp, Failed) AS LastFailureAt,
    argMaxIf(Error, Timestamp, Failed) AS LastError
FROM
(
    SELECT
        SpanAttributes['retail.webhook.name'] AS Webhook,
        SpanAttributes['retail.edge'] AS Edge,
        StatusCode = 'Error' AS Failed,
        Timestamp,
        multiIf(
            StatusMessage != '', StatusMessage,
            SpanAttributes['error.type'] != '', SpanAttributes['error.type'],
            SpanAttributes['http.response.status_code'] != '', concat('HTTP ', SpanAttributes['http.response.status_code']),
            '') AS Error
    FROM otel_traces
    WHERE TenantId = {tenant:String}
        AND SpanKind = 'Client'
        AND Timestamp >= {start:DateTime64(9, 'UTC')}
        AND Timestamp < {end:DateTime64(9, 'UTC')}
        AND mapContains(SpanAttributes, 'retail.webhook.name') -- skips granules by the index on the map's keys
        AND SpanAttributes['retail.webhook.name'] != ''
    LIMIT 1 BY TraceId, SpanId
)
GROUP BY Webhook, Edge
ORDER BY Failures / Attempts DESC, Webhook, Edge
