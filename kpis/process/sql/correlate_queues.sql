-- Depth and age of queues by hours back from `now` (0 is the past hour): queues by name, or by the system that reports
-- them. `sent_to`: messages are sent to it, so a case that waits there has sent one. A repeated sample counts once.
SELECT
    queue,
    system,
    queue IN (
        SELECT DISTINCT toString(SpanAttributes['messaging.destination.name'])
        FROM otel_traces
        WHERE TenantId = {tenant:String}
            AND SpanKind = 'Producer'
            AND Timestamp >= fromUnixTimestamp64Nano({lately_ns:Int64})
            AND Timestamp <= fromUnixTimestamp64Nano({now_ns:Int64})) AS sent_to,
    toUInt32(intDiv({now_ns:Int64} - AtNs, 3600000000000)) AS back,
    avgIf(Value, MetricName = 'retail.queue.depth') AS depth,
    maxIf(Value, MetricName = 'retail.queue.oldest_age') AS oldest_age_s,
    countIf(MetricName = 'retail.queue.depth') AS depths,
    countIf(MetricName = 'retail.queue.oldest_age') AS ages
FROM
(
    SELECT
        toString(Attributes['messaging.destination.name']) AS queue,
        toString(ServiceName) AS system,
        toString(Attributes['messaging.consumer.group.name']) AS ConsumerGroup,
        toString(MetricName) AS MetricName,
        toUnixTimestamp64Nano(TimeUnix) AS AtNs,
        Value
    FROM otel_metrics_gauge
    WHERE TenantId = {tenant:String}
        AND bitAnd(Flags, 1) = 0
        AND MetricName IN ('retail.queue.depth', 'retail.queue.oldest_age')
        AND TimeUnix > fromUnixTimestamp64Nano({from_ns:Int64})
        AND TimeUnix <= fromUnixTimestamp64Nano({now_ns:Int64})
        AND (has({queues:Array(String)}, queue) OR has({systems:Array(String)}, system))
    LIMIT 1 BY queue, system, ConsumerGroup, MetricName, AtNs
)
GROUP BY queue, system, back
