-- Purchase orders with their receipts and invoices: when each step was first told, what was ordered, received, invoiced and
-- paid, whether the invoice matched the first time it was looked at, and by whose hands it went.
WITH events AS
(
/*events*/
)
SELECT
    Stream, CaseId, '' AS Subject, Began, SentAt, AcknowledgedAt, ChangedAt, PromisedAt, LastPromisedAt, ReceivedAt, LastReceivedAt,
    InvoicedAt, MatchedAt, MismatchedAt, PaidAt, SupplierId, Sku, Currency, FirstMatch, Ordered, Received, Amount, InvoicedAmount,
    PaidAmount, Changes,
    if(InvoicedAt IS NULL, 0, arrayCount(t -> t.2 = 'human' AND t.1 >= InvoicedAt, Steps)) AS InvoiceTouches,
    if(InvoicedAt IS NULL, 0, arrayCount(t -> t.2 != '' AND t.1 >= InvoicedAt, Steps)) AS InvoiceActors
FROM
(
    SELECT
        Stream,
        CaseId,
        min(Timestamp) AS Began,
        /*first SentAt retail.purchase_order.sent*/
        /*first AcknowledgedAt retail.purchase_order.acknowledged*/
        /*first ChangedAt retail.purchase_order.changed*/
        argMinIf(Promise, Moment, Promise IS NOT NULL) AS PromisedAt,
        argMaxIf(Promise, Moment, Promise IS NOT NULL) AS LastPromisedAt,
        /*first ReceivedAt retail.goods.received*/
        /*last LastReceivedAt retail.goods.received*/
        /*first InvoicedAt retail.supplier_invoice.received*/
        /*first MatchedAt retail.supplier_invoice.matched*/
        /*first MismatchedAt retail.supplier_invoice.mismatched*/
        /*first PaidAt retail.supplier_invoice.paid*/
        max(e.SupplierId) AS SupplierId,
        max(e.Sku) AS Sku,
        /*one currency*/ AS Currency,
        argMinIf(if(EventName = 'retail.supplier_invoice.matched', 'matched', 'mismatched'), Moment,
            EventName IN ('retail.supplier_invoice.matched', 'retail.supplier_invoice.mismatched')) AS FirstMatch,
        ifNull(argMaxIf(e.Quantity, Moment, EventName IN ('retail.purchase_order.sent', 'retail.purchase_order.changed') AND e.Quantity IS NOT NULL), 0) AS Ordered,
        ifNull(sumIf(e.Quantity, EventName = 'retail.goods.received'), 0) AS Received,
        argMaxIf(e.Amount, Moment, EventName IN ('retail.purchase_order.sent', 'retail.purchase_order.changed') AND e.Amount IS NOT NULL) AS Amount,
        if(countIf(EventName = 'retail.supplier_invoice.received' AND e.Amount IS NOT NULL) > 0, sumIf(e.Amount, EventName = 'retail.supplier_invoice.received'), NULL) AS InvoicedAmount,
        if(countIf(EventName = 'retail.supplier_invoice.paid' AND e.Amount IS NOT NULL) > 0, sumIf(e.Amount, EventName = 'retail.supplier_invoice.paid'), NULL) AS PaidAmount,
        countIf(EventName = 'retail.purchase_order.changed') AS Changes,
        groupArray((Timestamp, toString(ActorType))) AS Steps
    FROM
    (
        SELECT *, if(EventName IN ('retail.purchase_order.sent', 'retail.purchase_order.acknowledged', 'retail.purchase_order.changed'),
            PromiseAt, NULL) AS Promise
        FROM events
    ) AS e
    GROUP BY Stream, CaseId
)
