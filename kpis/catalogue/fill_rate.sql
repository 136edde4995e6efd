-- Fill rate of the lines and orders placed in the given buckets, as all events received so far have it.
-- One pass: an event counts once per event id (without one: per time and content), in the last received wording, so
-- FINAL is not needed. Events become lines, lines learn from their order whether it was cancelled, and the first line
-- of an order speaks for the order.
-- What is shipped is capped by what was ordered; the rest is closed by the line's own cancellations, then the order's.
-- An order that failed was never accepted, so what is left of its lines leaves the demand, as if withdrawn.
WITH
    events AS
    (
        SELECT
            CaseId,
            EventId,
            if(Attributes['retail.event.id'] = '', toUnixTimestamp64Nano(Timestamp), 0) AS UnnamedAt,
            argMax(
                (EventName, Timestamp, Quantity, toFloat64(Amount), Attributes['retail.order.line.id'],
                    EventName = 'retail.order.failed' OR lowerUTF8(Attributes['retail.cancel.reason']) = 'customer'),
                (ReceivedAt, Timestamp, Seq)) AS Said,
            Said.1 = 'retail.order.line.placed' AS IsPlaced,
            Said.1 = 'retail.order.line.shipped' AS IsShipped,
            Said.1 = 'retail.order.line.cancelled' AND Said.6 AS IsWithdrawn,
            Said.1 = 'retail.order.line.cancelled' AND NOT Said.6 AS IsDenied,
            Said.1 IN ('retail.order.cancelled', 'retail.order.failed') AS IsOrder
        FROM process_events
        WHERE TenantId = {tenant:String}
            AND Stream = 'order-to-cash'
            AND EventName IN ('retail.order.line.placed', 'retail.order.line.shipped', 'retail.order.line.cancelled', 'retail.order.cancelled', 'retail.order.failed')
            AND CaseId IN
            (
                SELECT CaseId
                FROM process_events
                WHERE TenantId = {tenant:String}
                    AND Stream = 'order-to-cash'
                    AND EventName = 'retail.order.line.placed'
                    AND Timestamp >= {start:DateTime64(9, 'UTC')}
                    AND Timestamp < {end:DateTime64(9, 'UTC')}
            )
        GROUP BY CaseId, EventId, UnnamedAt
    ),
    facts AS
    (
        SELECT
            CaseId,
            multiIf(IsOrder, '', IsPlaced AND Said.5 = '', concat('?', EventId), Said.5) AS Line,
            countIf(IsPlaced) > 0 AS Placed,
            countIf(IsPlaced AND Said.5 != '') > 0 AS Identified,
            minIf(Said.2, IsPlaced) AS PlacedAt,
            ifNull(argMaxIf(Said.3, (Said.2, EventId), IsPlaced), 0) AS Ordered,
            argMaxIf(Said.4, (Said.2, EventId), IsPlaced) AS Price,
            if(countIf(IsShipped AND Said.3 IS NULL) > 0, Ordered, least(ifNull(sumIf(Said.3, IsShipped), 0), Ordered)) AS Shipped,
            greatest(Ordered - Shipped, 0) AS Rest,
            if(countIf(IsWithdrawn AND Said.3 IS NULL) > 0, Rest, least(ifNull(sumIf(Said.3, IsWithdrawn), 0), Rest)) AS Withdrawn,
            if(countIf(IsDenied AND Said.3 IS NULL) > 0, Rest - Withdrawn, least(ifNull(sumIf(Said.3, IsDenied), 0), Rest - Withdrawn)) AS Denied,
            countIf(IsOrder) > 0 AS Gone,
            argMinIf(Said.6, (Said.2, EventId), IsOrder) AS GoneByCustomer
        FROM events
        GROUP BY CaseId, Line
    ),
    lines AS
    (
        SELECT
            CaseId,
            Placed,
            PlacedAt,
            Ordered,
            Price,
            Shipped,
            Rest - Withdrawn - Denied AS Undecided,
            max(Gone) OVER (PARTITION BY CaseId) AS OrderGone,
            max(GoneByCustomer) OVER (PARTITION BY CaseId) AS OrderWithdrawn,
            Ordered - Withdrawn - if(OrderWithdrawn, Undecided, 0) AS Wanted,
            NOT Identified OR Ordered <= 0 OR Wanted <= 1e-9 AS Excluded,
            NOT Excluded AND NOT OrderGone AND Undecided > 1e-9 AS Open,
            NOT Excluded AND NOT Open AS Decided,
            Decided AND Shipped >= Wanted - 1e-9 AS Filled
        FROM facts
    ),
    ranked AS
    (
        SELECT
            if({grain:String} = 'hour', toStartOfHour(PlacedAt, {tz:String}), toStartOfDay(PlacedAt, {tz:String})) AS Bucket,
            row_number() OVER (PARTITION BY CaseId ORDER BY PlacedAt ASC) = 1 AS SpeaksForOrder,
            min(Excluded) OVER (PARTITION BY CaseId) AS OrderExcluded,
            max(Open) OVER (PARTITION BY CaseId) AS OrderOpen,
            max(Decided AND NOT Filled) OVER (PARTITION BY CaseId) AS OrderUnfilled,
            Excluded,
            Open,
            Decided,
            Filled,
            Wanted,
            least(Shipped, Wanted) AS Sent,
            if(Ordered > 0, Price / Ordered, NULL) AS UnitPrice
        FROM lines
        WHERE Placed
    ),
    sums AS
    (
        SELECT
            Bucket,
            countIf(Decided) AS Decisions,
            countIf(Excluded) AS Exclusions,
            countIf(Open) AS Opens,
            countIf(Decided AND UnitPrice IS NOT NULL) AS Priced,
            countIf(SpeaksForOrder AND NOT OrderExcluded AND NOT OrderOpen) AS Orders,
            [
                ('line', toFloat64(countIf(Filled)), toFloat64(Decisions), Decisions, Exclusions, Opens),
                ('unit', toFloat64(sumIf(Sent, Decided)), toFloat64(sumIf(Wanted, Decided)), Decisions, Exclusions, Opens),
                ('value', toFloat64(ifNull(sumIf(Sent * UnitPrice, Decided), 0)), toFloat64(ifNull(sumIf(Wanted * UnitPrice, Decided), 0)),
                    Priced, countIf(Excluded OR UnitPrice IS NULL), countIf(Open AND UnitPrice IS NOT NULL)),
                ('order', toFloat64(countIf(SpeaksForOrder AND NOT OrderExcluded AND NOT OrderOpen AND NOT OrderUnfilled)), toFloat64(Orders),
                    Orders, countIf(SpeaksForOrder AND OrderExcluded), countIf(SpeaksForOrder AND OrderOpen))
            ] AS PerBasis
        FROM ranked
        WHERE has({buckets:Array(DateTime('UTC'))}, Bucket)
        GROUP BY Bucket
    )
SELECT
    toDateTime(Bucket, 'UTC') AS BucketStart,
    Result.1 AS Basis,
    '' AS Dimension,
    '' AS DimensionValue,
    if(Denominator > 0, Numerator / Denominator, NULL) AS Value,
    Result.2 AS Numerator,
    Result.3 AS Denominator,
    Result.4 AS SampleSize,
    Result.5 AS Excluded,
    Result.6 AS OpenCases
FROM sums
ARRAY JOIN PerBasis AS Result
WHERE SampleSize > 0 OR Excluded > 0 OR OpenCases > 0
ORDER BY BucketStart, Basis
