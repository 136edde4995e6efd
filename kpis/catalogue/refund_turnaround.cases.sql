-- The refunds that were issued in a period with their seconds, and the returns that were open at its end.
SELECT
    'return-to-resolution' AS Stream,
    CaseId,
    '' AS Subject,
    '' AS TraceId,
    '' AS DrillSplit,
    toInt64(toUnixTimestamp(if(Mine, IssuedTime, ReceivedTime))) AS DrillAt,
    toUInt8(multiIf(Mine AND Received, 1, Mine, 10, 2)) AS DrillState,
    if(DrillState = 1, intDiv(greatest(toUnixTimestamp64Nano(IssuedTime) - toUnixTimestamp64Nano(ReceivedTime), 0), 1000), 0) AS DrillN,
    toInt64(1000000) AS DrillD
FROM
(
    SELECT
        CaseId,
        countIf(EventName = 'retail.return.received') > 0 AS Received,
        countIf(EventName = 'retail.refund.issued') > 0 AS Issued,
        countIf(EventName != 'retail.return.received') > 0 AS Ended,
        minIf(Timestamp, EventName = 'retail.return.received') AS ReceivedTime,
        minIf(Timestamp, EventName = 'retail.refund.issued') AS IssuedTime,
        minIf(Timestamp, EventName != 'retail.return.received') AS EndedTime,
        Issued AND IssuedTime >= {start:DateTime64(9, 'UTC')} AND IssuedTime < {end:DateTime64(9, 'UTC')} AS Mine,
        Received AND ReceivedTime < {end:DateTime64(9, 'UTC')}
            AND NOT (Ended AND greatest(EndedTime, ReceivedTime) < {end:DateTime64(9, 'UTC')}) AS Open
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
)
WHERE Mine OR Open
