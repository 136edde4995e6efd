-- The buckets in which lines were placed of orders that something was received about.
SELECT DISTINCT
    toDateTime(toStartOfHour(Timestamp, {tz:String}), 'UTC') AS Hour,
    toDateTime(toStartOfDay(Timestamp, {tz:String}), 'UTC') AS Day
FROM process_events
WHERE TenantId = {tenant:String}
    AND Stream = 'order-to-cash'
    AND EventName = 'retail.order.line.placed'
    AND CaseId IN
    (
        SELECT CaseId
        FROM process_events
        WHERE TenantId = {tenant:String}
            AND Stream = 'order-to-cash'
            AND EventName IN ('retail.order.line.placed', 'retail.order.line.shipped', 'retail.order.line.cancelled', 'retail.order.cancelled', 'retail.order.failed')
            AND ReceivedAt >= {since:DateTime64(9, 'UTC')}
    )
