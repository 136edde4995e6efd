-- Fill rate of the lines and orders placed in the given buckets, as all events received so far have it.
-- An event is taken once per event id, the last received wording of it; what is shipped is capped by what was ordered.
-- What is left of a line after shipping is closed by cancellations: the line's own first, then the order's.
WITH
    cohort AS
    (
        SELECT DISTINCT CaseId
        FROM process_events
        WHERE TenantId = {tenant:String}
            AND Stream = 'order-to-cash'
            AND EventName = 'retail.order.line.placed'
            AND Timestamp >= {start:DateTime64(9, 'UTC')}
            AND Timestamp < {end:DateTime64(9, 'UTC')}
    ),
    events AS
    (
        SELECT
            CaseId,
            EventId,
            EventName = 'retail.order.line.placed' AS IsPlaced,
            EventName = 'retail.order.line.shipped' AS IsShipped,
            EventName = 'retail.order.line.cancelled' AND lowerUTF8(Attributes['retail.cancel.reason']) = 'customer' AS IsWithdrawn,
            EventName = 'retail.order.line.cancelled' AND NOT IsWithdrawn AS IsDenied,
            EventName = 'retail.order.cancelled' AS IsOrder,
            lowerUTF8(Attributes['retail.cancel.reason']) = 'customer' AS ByCustomer,
            Attributes['retail.order.line.id'] AS LineId,
            Timestamp,
            Quantity,
            toFloat64(Amount) AS Price
        FROM process_events FINAL
        WHERE TenantId = {tenant:String}
            AND Stream = 'order-to-cash'
            AND CaseId IN cohort
            AND EventName IN ('retail.order.line.placed', 'retail.order.line.shipped', 'retail.order.line.cancelled', 'retail.order.cancelled')
        ORDER BY ReceivedAt DESC, Timestamp DESC, Seq DESC
        LIMIT 1 BY CaseId, EventId
    ),
    facts AS
    (
        SELECT
            CaseId,
            if(LineId = '' AND IsPlaced, concat('?', EventId), LineId) AS Line,
            minIf(Timestamp, IsPlaced) AS PlacedAt,
            countIf(IsPlaced AND LineId != '') > 0 AS Identified,
            ifNull(argMaxIf(Quantity, (Timestamp, EventId), IsPlaced), 0) AS Ordered,
            argMaxIf(Price, (Timestamp, EventId), IsPlaced) AS Value,
            if(countIf(IsShipped AND Quantity IS NULL) > 0, Ordered, least(ifNull(sumIf(Quantity, IsShipped), 0), Ordered)) AS Shipped,
            greatest(Ordered - Shipped, 0) AS Rest,
            if(countIf(IsWithdrawn AND Quantity IS NULL) > 0, Rest, least(ifNull(sumIf(Quantity, IsWithdrawn), 0), Rest)) AS LineWithdrawn,
            if(countIf(IsDenied AND Quantity IS NULL) > 0, Rest - LineWithdrawn, least(ifNull(sumIf(Quantity, IsDenied), 0), Rest - LineWithdrawn)) AS Denied
        FROM events
        WHERE NOT IsOrder
        GROUP BY CaseId, Line
        HAVING countIf(IsPlaced) > 0
    ),
    cancelled_orders AS
    (
        SELECT CaseId, argMin(ByCustomer, (Timestamp, EventId)) AS ByCustomer
        FROM events
        WHERE IsOrder
        GROUP BY CaseId
    ),
    lines AS
    (
        SELECT
            CaseId,
            PlacedAt,
            Ordered,
            Shipped,
            Value,
            Rest - LineWithdrawn - Denied AS Undecided,
            CaseId IN (SELECT CaseId FROM cancelled_orders) AS OrderGone,
            CaseId IN (SELECT CaseId FROM cancelled_orders WHERE ByCustomer) AS OrderWithdrawn,
            Ordered - LineWithdrawn - if(OrderWithdrawn, Undecided, 0) AS Wanted,
            NOT Identified OR Ordered <= 0 OR Wanted <= 1e-9 AS Excluded,
            NOT Excluded AND NOT OrderGone AND Undecided > 1e-9 AS Open,
            NOT Excluded AND NOT Open AS Decided,
            Decided AND Shipped >= Wanted - 1e-9 AS Filled,
            if({grain:String} = 'hour', toStartOfHour(PlacedAt, {tz:String}), toStartOfDay(PlacedAt, {tz:String})) AS Bucket
        FROM facts
    ),
    orders AS
    (
        SELECT
            if({grain:String} = 'hour', toStartOfHour(min(PlacedAt), {tz:String}), toStartOfDay(min(PlacedAt), {tz:String})) AS Bucket,
            countIf(NOT Excluded) = 0 AS OrderExcluded,
            countIf(Open) > 0 AS OrderOpen,
            NOT OrderExcluded AND NOT OrderOpen AS OrderDecided,
            OrderDecided AND countIf(Decided AND NOT Filled) = 0 AS OrderFilled
        FROM lines
        GROUP BY CaseId
    )
SELECT
    toDateTime(Bucket, 'UTC') AS BucketStart,
    Basis,
    '' AS Dimension,
    '' AS DimensionValue,
    if(Denominator > 0, Numerator / Denominator, NULL) AS Value,
    Numerator,
    Denominator,
    SampleSize,
    Excluded,
    OpenCases
FROM
(
    SELECT
        Bucket,
        Basis,
        toFloat64(sumIf(multiIf(Basis = 'line', toFloat64(Filled), Basis = 'unit', least(Shipped, Wanted), least(Shipped, Wanted) / Ordered * ifNull(l.Value, 0)), Counted)) AS Numerator,
        toFloat64(sumIf(multiIf(Basis = 'line', 1., Basis = 'unit', Wanted, Wanted / Ordered * ifNull(l.Value, 0)), Counted)) AS Denominator,
        countIf(Counted) AS SampleSize,
        countIf(l.Excluded OR Unpriced) AS Excluded,
        countIf(Open AND NOT Unpriced) AS OpenCases
    FROM
    (
        SELECT *, Basis, Basis = 'value' AND Value IS NULL AS Unpriced, Decided AND NOT Unpriced AS Counted
        FROM lines
        ARRAY JOIN ['line', 'unit', 'value'] AS Basis
        WHERE has({buckets:Array(DateTime('UTC'))}, Bucket)
    ) AS l
    GROUP BY Bucket, Basis
    UNION ALL
    SELECT
        Bucket,
        'order' AS Basis,
        toFloat64(countIf(OrderFilled)) AS Numerator,
        toFloat64(countIf(OrderDecided)) AS Denominator,
        countIf(OrderDecided) AS SampleSize,
        countIf(OrderExcluded) AS Excluded,
        countIf(OrderOpen) AS OpenCases
    FROM orders
    WHERE has({buckets:Array(DateTime('UTC'))}, Bucket)
    GROUP BY Bucket
)
ORDER BY BucketStart, Basis
