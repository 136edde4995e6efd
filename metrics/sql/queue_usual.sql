-- The median depth of every queue in the same hour of the week, one and two weeks ago.
-- The two hours are given by the caller, so that only two day partitions are read. Repeated samples count once.
SELECT
    System,
    Destination,
    ConsumerGroup,
    quantileExactInclusive(0.5)(Value) AS Usual
FROM
(
    SELECT
        Attributes['messaging.system'] AS System,
        Attributes['messaging.destination.name'] AS Destination,
        Attributes['messaging.consumer.group.name'] AS ConsumerGroup,
        Value
    FROM otel_metrics_gauge
    WHERE TenantId = {tenant:String}
        AND bitAnd(Flags, 1) = 0
        AND MetricName = 'retail.queue.depth'
        AND ((TimeUnix >= {week1_start:DateTime64(9, 'UTC')} AND TimeUnix < {week1_end:DateTime64(9, 'UTC')})
            OR (TimeUnix >= {week2_start:DateTime64(9, 'UTC')} AND TimeUnix < {week2_end:DateTime64(9, 'UTC')}))
    LIMIT 1 BY System, Destination, ConsumerGroup, TimeUnix
)
GROUP BY System, Destination, ConsumerGroup
