-- The latest depth and age of every queue that reported in the window, and a thinned series of its depth.
-- Key use: (TenantId, MetricName) and the day partitions of TimeUnix. A repeated sample changes nothing (argMax).
SELECT
    System,
    Destination,
    ConsumerGroup,
    argMaxIf(StepDepth, StepDepthAt, StepDepths > 0) AS Depth,
    maxIf(StepDepthAt, StepDepths > 0) AS DepthAt,
    sum(StepAges) > 0 AS HasAge,
    argMaxIf(StepAge, StepAgeAt, StepAges > 0) AS Age,
    arraySort(groupArrayIf((StepDepthAt, StepDepth), StepDepths > 0)) AS Series
FROM
(
    SELECT
        Attributes['messaging.system'] AS System,
        Attributes['messaging.destination.name'] AS Destination,
        Attributes['messaging.consumer.group.name'] AS ConsumerGroup,
        toStartOfInterval(TimeUnix, toIntervalSecond({step:UInt32})) AS Step,
        countIf(MetricName = 'retail.queue.depth') AS StepDepths,
        argMaxIf(Value, TimeUnix, MetricName = 'retail.queue.depth') AS StepDepth,
        maxIf(TimeUnix, MetricName = 'retail.queue.depth') AS StepDepthAt,
        countIf(MetricName = 'retail.queue.oldest_age') AS StepAges,
        argMaxIf(Value, TimeUnix, MetricName = 'retail.queue.oldest_age') AS StepAge,
        maxIf(TimeUnix, MetricName = 'retail.queue.oldest_age') AS StepAgeAt
    FROM otel_metrics_gauge
    WHERE TenantId = {tenant:String}
        AND bitAnd(Flags, 1) = 0 -- no recorded value is not zero
        AND MetricName IN ('retail.queue.depth', 'retail.queue.oldest_age')
        AND TimeUnix > {start:DateTime64(9, 'UTC')}
        AND TimeUnix <= {end:DateTime64(9, 'UTC')}
    GROUP BY System, Destination, ConsumerGroup, Step
)
GROUP BY System, Destination, ConsumerGroup
HAVING sum(StepDepths) > 0
ORDER BY System, Destination, ConsumerGroup
