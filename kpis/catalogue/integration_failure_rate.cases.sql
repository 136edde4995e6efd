-- The integration calls that started in a period, a call that failed in the numerator; a span that arrived twice counts once.
SELECT
    any(Stream) AS Stream,
    any(CaseId) AS CaseId,
    concat(TraceId, '/', SpanId) AS Subject,
    TraceId,
    if({dimension:String} = 'edge', any(SpanAttributes['retail.edge']), '') AS DrillSplit,
    toInt64(toUnixTimestamp(min(Timestamp))) AS DrillAt,
    toUInt8(1) AS DrillState,
    toInt64(1000000 * max(StatusCode = 'Error')) AS DrillN,
    toInt64(1000000) AS DrillD
FROM otel_traces
WHERE TenantId = {tenant:String}
    AND SpanKind IN ('Client', 'Producer')
    AND Timestamp >= {start:DateTime64(9, 'UTC')}
    AND Timestamp < {end:DateTime64(9, 'UTC')}
    AND mapContains(SpanAttributes, 'retail.edge')
    AND SpanAttributes['retail.edge'] != ''
GROUP BY TraceId, SpanId
