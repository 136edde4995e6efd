-- Refund turnaround of the refunds issued in the given buckets, and the returns open at the end of each.
-- An event counts once per event id (without one: per time and content), in the last received wording, so FINAL is not
-- needed. The open ones are a running sum over all of the stream's returns. A bucket exists wherever one of these events
-- happened, also one that decides nothing: what arrives later must not take a bucket away.
WITH
    cases AS
    (
        SELECT
            CaseId,
            countIf(EventName = 'retail.return.received') > 0 AS Received,
            countIf(EventName = 'retail.refund.issued') > 0 AS Issued,
            countIf(EventName != 'retail.return.received') > 0 AS Ended,
            minIf(Timestamp, EventName = 'retail.return.received') AS ReceivedTime,
            minIf(Timestamp, EventName = 'retail.refund.issued') AS IssuedTime,
            minIf(Timestamp, EventName != 'retail.return.received') AS EndedTime,
            groupArray(Timestamp) AS Times
        FROM
        (
            SELECT
                CaseId,
                EventId,
                if(Attributes['retail.event.id'] = '', toUnixTimestamp64Nano(e.Timestamp), 0) AS UnnamedAt,
                argMax((e.EventName, e.Timestamp), (e.ReceivedAt, e.Timestamp, e.Seq)) AS Said,
                Said.1 AS EventName,
                Said.2 AS Timestamp
            FROM process_events AS e
            WHERE TenantId = {tenant:String}
                AND Stream = 'return-to-resolution'
                AND e.EventName IN ('retail.return.received', 'retail.refund.issued', 'retail.return.closed')
            GROUP BY CaseId, EventId, UnnamedAt
        )
        GROUP BY CaseId
    ),
    moves AS
    (
        SELECT arrayJoin(arrayConcat(
            arrayMap(at -> (at, toUInt8(0), toUInt8(0), 0., toInt64(0)), Times),
            if(Issued, [(IssuedTime, toUInt8(Received), toUInt8(NOT Received),
                greatest(toUnixTimestamp64Nano(IssuedTime) - toUnixTimestamp64Nano(ReceivedTime), 0) / 1e9, toInt64(0))], []),
            if(Received, [(ReceivedTime, toUInt8(0), toUInt8(0), 0., toInt64(1))], []),
            if(Received AND Ended, [(greatest(EndedTime, ReceivedTime), toUInt8(0), toUInt8(0), 0., toInt64(-1))], [])
        )) AS Move
        FROM cases
    ),
    per_bucket AS
    (
        SELECT
            if({grain:String} = 'hour', toStartOfHour(Move.1, {tz:String}), toStartOfDay(Move.1, {tz:String})) AS Bucket,
            sum(Move.2) AS Refunds,
            sum(Move.3) AS Unstarted,
            sumIf(Move.4, Move.2 = 1) AS Seconds,
            quantilesExactInclusiveIf(0.5, 0.9)(Move.4, Move.2 = 1) AS Percentiles,
            sum(Move.5) AS Change
        FROM moves
        GROUP BY Bucket
    ),
    running AS
    (
        SELECT *, sum(Change) OVER (ORDER BY Bucket ASC ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS Waiting
        FROM per_bucket
    )
SELECT
    toDateTime(Bucket, 'UTC') AS BucketStart,
    Basis,
    '' AS Dimension,
    '' AS DimensionValue,
    if(Refunds > 0, if(Basis = 'median', Percentiles[1], Percentiles[2]), NULL) AS Value,
    toFloat64(Seconds) AS Numerator,
    toFloat64(Refunds) AS Denominator,
    toUInt64(Refunds) AS SampleSize,
    toUInt64(Unstarted) AS Excluded,
    toUInt64(greatest(Waiting, 0)) AS OpenCases
FROM running
ARRAY JOIN ['median', 'p90'] AS Basis
WHERE has({buckets:Array(DateTime('UTC'))}, Bucket)
ORDER BY BucketStart, Basis
