-- A return that changed at some time changes the open ones of every bucket from then on, so the touched buckets are
-- all those with an event not older than the oldest event of any return that something was received about.
WITH
    (
        SELECT min(Timestamp)
        FROM process_events
        WHERE TenantId = {tenant:String}
            AND Stream = 'return-to-resolution'
            AND EventName IN ('retail.return.received', 'retail.refund.issued', 'retail.return.closed')
            AND CaseId IN
            (
                SELECT CaseId
                FROM process_events
                WHERE TenantId = {tenant:String}
                    AND Stream = 'return-to-resolution'
                    AND EventName IN ('retail.return.received', 'retail.refund.issued', 'retail.return.closed')
                    AND ReceivedAt >= {since:DateTime64(9, 'UTC')}
            )
    ) AS Oldest,
    (
        SELECT count()
        FROM process_events
        WHERE TenantId = {tenant:String}
            AND Stream = 'return-to-resolution'
            AND EventName IN ('retail.return.received', 'retail.refund.issued', 'retail.return.closed')
            AND ReceivedAt >= {since:DateTime64(9, 'UTC')}
    ) AS News
SELECT DISTINCT
    toDateTime(toStartOfHour(Timestamp, {tz:String}), 'UTC') AS Hour,
    toDateTime(toStartOfDay(Timestamp, {tz:String}), 'UTC') AS Day
FROM process_events
WHERE TenantId = {tenant:String}
    AND Stream = 'return-to-resolution'
    AND EventName IN ('retail.return.received', 'retail.refund.issued', 'retail.return.closed')
    AND News > 0
    AND Timestamp >= Oldest
