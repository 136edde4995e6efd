-- Orders: when each step was first told (deliveries and shipments also last), what was asked, invoiced and paid, and how
-- its lines ended (kpi_order_lines, which is made before). In transit are shipments that left and have not arrived; a
-- delivery that names no shipment is one of the whole order.
WITH
    events AS
    (
/*events*/
    ),
    lines AS
    (
        SELECT Stream, CaseId, count() AS Lines, countIf(Filled) AS LinesFilled,
            countIf(Filled AND BackorderedAt IS NULL AND ShippedFirst >= Wanted - 1e-9) AS LinesFilledAtOnce, countIf(Open) AS LinesOpen, countIf(LeftOut != '') AS LinesLeftOut
        FROM kpi_order_lines FINAL
        WHERE TenantId = {tenant:String} AND Stream IN {streams:Array(String)} AND Version >= {began:UInt64} AND /*selection*/
        GROUP BY Stream, CaseId
    )
SELECT
    Stream, CaseId, '' AS Subject, Began, PlacedAt, ValidatedAt, FraudCheckedAt, AllocatedAt, BackorderedAt, PickedAt, PackedAt,
    ShippedAt, LastShippedAt, DeliveredAt, LastDeliveredAt, InvoicedAt, PaidAt, CancelledAt, FailedAt, PromisedAt, LastPromisedAt,
    CancelReason, Channel, CustomerId, LocationId, Currency, Quantity, Amount, InvoicedAmount, PaidAmount,
    ifNull(l.Lines, 0) AS Lines, ifNull(l.LinesFilled, 0) AS LinesFilled, ifNull(l.LinesFilledAtOnce, 0) AS LinesFilledAtOnce,
    ifNull(l.LinesOpen, 0) AS LinesOpen, ifNull(l.LinesLeftOut, 0) AS LinesLeftOut, InTransit, Exceptions, ExceptionsByPeople, ExceptionsOpen
FROM
(
    SELECT
        Stream,
        CaseId,
        min(Timestamp) AS Began,
        /*first PlacedAt retail.order.placed*/
        /*first ValidatedAt retail.order.validated*/
        /*first FraudCheckedAt retail.order.fraud_checked*/
        /*first AllocatedAt retail.order.allocated*/
        /*first BackorderedAt retail.order.backordered*/
        /*first PickedAt retail.order.picked*/
        /*first PackedAt retail.order.packed*/
        /*first ShippedAt retail.order.shipped*/
        /*last LastShippedAt retail.order.shipped*/
        /*first DeliveredAt retail.order.delivered*/
        /*last LastDeliveredAt retail.order.delivered*/
        /*first InvoicedAt retail.order.invoiced*/
        /*first PaidAt retail.order.paid*/
        /*first CancelledAt retail.order.cancelled*/
        /*first FailedAt retail.order.failed*/
        argMinIf(PromiseAt, Moment, PromiseAt IS NOT NULL) AS PromisedAt,
        argMaxIf(PromiseAt, Moment, PromiseAt IS NOT NULL) AS LastPromisedAt,
        argMinIf(e.CancelReason, Moment, EventName = 'retail.order.cancelled' AND e.CancelReason != '') AS CancelReason,
        max(if(EventName = 'retail.order.placed', e.Channel, '')) AS Channel,
        max(if(EventName = 'retail.order.placed', e.CustomerId, '')) AS CustomerId,
        max(if(EventName IN ('retail.order.placed', 'retail.order.allocated'), e.LocationId, '')) AS LocationId,
        argMaxIf(toString(e.Currency), Moment, EventName = 'retail.order.placed' AND e.Amount IS NOT NULL) AS Currency,
        ifNull(argMaxIf(e.Quantity, Moment, EventName = 'retail.order.placed'), 0) AS Quantity,
        argMaxIf(e.Amount, Moment, EventName = 'retail.order.placed') AS Amount,
        if(countIf(EventName = 'retail.order.invoiced' AND e.Amount IS NOT NULL) > 0, sumIf(e.Amount, EventName = 'retail.order.invoiced'), NULL) AS InvoicedAmount,
        if(countIf(EventName = 'retail.order.paid' AND e.Amount IS NOT NULL) > 0, sumIf(e.Amount, EventName = 'retail.order.paid'), NULL) AS PaidAmount,
        groupUniqArrayIf(ShipmentId, EventName = 'retail.order.shipped' AND ShipmentId != '') AS Sent,
        groupUniqArrayIf(ShipmentId, EventName = 'retail.order.delivered') AS Arrived,
        if(has(Arrived, ''), 0, length(arrayFilter(s -> NOT has(Arrived, s), Sent))) AS InTransit,
        countIf(EventName = 'retail.exception.raised') AS Exceptions,
        countIf(EventName = 'retail.exception.resolved' AND ActorType = 'human') AS ExceptionsByPeople,
        greatest(toInt64(Exceptions) - toInt64(countIf(EventName = 'retail.exception.resolved')), 0) AS ExceptionsOpen
    FROM events AS e
    GROUP BY Stream, CaseId
) AS o
LEFT JOIN lines AS l USING (Stream, CaseId)
WHERE PlacedAt IS NOT NULL
