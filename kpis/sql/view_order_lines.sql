-- Lines of orders: what was wanted, sent, withdrawn and denied. What is shipped is capped by what was ordered; the rest is
-- closed by the line's own cancellations, then by the order's. An order that failed was never accepted, so what is left of
-- its lines leaves the demand, as if withdrawn. Of a line placed more than once the last word counts, from the first time.
-- The line placed first speaks for the order: so orders can be counted from their lines. What is told of a line that was
-- never placed changes nothing there.
WITH
    events AS
    (
/*events*/
    ),
    told AS
    (
        SELECT
            *,
            multiIf(EventName IN ('retail.order.placed', 'retail.order.cancelled', 'retail.order.failed'), '',
                LineId = '', concat('?', EventId), LineId) AS Line,
            EventName = 'retail.order.line.placed' AS IsPlaced,
            EventName = 'retail.order.line.shipped' AS IsShipped,
            EventName = 'retail.order.line.cancelled' AS IsCancelled,
            EventName IN ('retail.order.cancelled', 'retail.order.failed') AS IsGone,
            EventName = 'retail.order.failed' OR lowerUTF8(CancelReason) = 'customer' AS ByCustomer
        FROM events
    ),
    facts AS
    (
        SELECT
            Stream,
            CaseId,
            Line,
            min(Timestamp) AS Began,
            countIf(IsPlaced) > 0 AS Placed,
            countIf(IsPlaced AND LineId != '') > 0 AS Identified,
            minIf(Timestamp, IsPlaced) AS PlacedAt,
            argMaxIf((ifNull(Quantity, 0), Amount, toString(Currency), Sku, PromotionId), Moment, IsPlaced) AS Said,
            Said.1 AS Ordered,
            countIf(Quantity < 0 AND NOT IsPlaced) > 0 AS Negative,
            if(countIf(IsShipped AND Quantity IS NULL) > 0, Ordered, least(ifNull(sumIf(Quantity, IsShipped), 0), Ordered)) AS Shipped,
            if(countIf(IsShipped) > 0, least(ifNull(argMinIf(tuple(Quantity), Moment, IsShipped).1, Ordered), Ordered), 0) AS ShippedFirst,
            greatest(Ordered - Shipped, 0) AS Rest,
            if(countIf(IsCancelled AND ByCustomer AND Quantity IS NULL) > 0, Rest,
                least(ifNull(sumIf(Quantity, IsCancelled AND ByCustomer), 0), Rest)) AS Withdrawn,
            if(countIf(IsCancelled AND NOT ByCustomer AND Quantity IS NULL) > 0, Rest - Withdrawn,
                least(ifNull(sumIf(Quantity, IsCancelled AND NOT ByCustomer), 0), Rest - Withdrawn)) AS Denied,
            if(countIf(IsShipped) > 0, minIf(Timestamp, IsShipped), NULL) AS FirstShippedAt,
            if(countIf(IsShipped) > 0, maxIf(Timestamp, IsShipped), NULL) AS LastShippedAt,
            if(countIf(EventName = 'retail.order.backordered') > 0, minIf(Timestamp, EventName = 'retail.order.backordered'), NULL) AS BackorderedAt
        FROM told
        WHERE Line != ''
        GROUP BY Stream, CaseId, Line
        HAVING Placed
    ),
    orders AS
    (
        SELECT
            Stream,
            CaseId,
            countIf(IsGone) > 0 AS OrderGone,
            argMinIf(ByCustomer, Moment, IsGone) AS OrderWithdrawn,
            max(if(EventName = 'retail.order.placed', Channel, '')) AS OrderChannel
        FROM told
        WHERE Line = ''
        GROUP BY Stream, CaseId
    ),
    lines AS
    (
        SELECT
            *,
            Rest - Withdrawn - Denied AS Undecided,
            Ordered - Withdrawn - if(OrderWithdrawn, Undecided, 0) AS StillWanted,
            multiIf(NOT Identified, 'no line id', Ordered <= 0 OR Negative, 'no positive quantity', StillWanted <= 1e-9, 'withdrawn', '') AS Why,
            Why = '' AND NOT OrderGone AND Undecided > 1e-9 AS IsOpen,
            Why = '' AND NOT IsOpen AND Shipped >= StillWanted - 1e-9 AS IsFilled
        FROM facts
        LEFT JOIN orders USING (Stream, CaseId)
    )
SELECT
    Stream, CaseId, Line AS Subject, Began, PlacedAt, FirstShippedAt, LastShippedAt, if(IsFilled, LastShippedAt, NULL) AS FilledAt,
    BackorderedAt, Line AS LineId, Said.4 AS Sku, OrderChannel AS Channel, Said.5 AS PromotionId, Said.3 AS Currency,
    Ordered, Said.2 AS Amount, Shipped, ShippedFirst, Withdrawn, Denied, StillWanted AS Wanted, Why AS LeftOut, IsOpen AS Open,
    IsFilled AS Filled, SpeaksForOrder, OrderLeftOut, OrderOpen, OrderFilled
FROM
(
    SELECT
        *,
        Line = argMin(Line, (PlacedAt, Line)) OVER (PARTITION BY Stream, CaseId) AS SpeaksForOrder,
        min(Why != '') OVER (PARTITION BY Stream, CaseId) AS OrderLeftOut,
        max(IsOpen) OVER (PARTITION BY Stream, CaseId) AS OrderOpen,
        min(Why != '' OR IsFilled) OVER (PARTITION BY Stream, CaseId) AS OrderFilled
    FROM lines
)
