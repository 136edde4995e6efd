-- Returns: when each step was first told, why the goods came back, and what was asked and paid back.
WITH events AS
(
/*events*/
)
SELECT
    Stream,
    CaseId,
    '' AS Subject,
    min(Timestamp) AS Began,
    /*first RequestedAt retail.return.requested*/
    /*first AuthorisedAt retail.return.authorised*/
    /*first ReceivedAt retail.return.received*/
    /*first InspectedAt retail.return.inspected*/
    /*first DispositionedAt retail.return.dispositioned*/
    /*first ApprovedAt retail.refund.approved*/
    /*first IssuedAt retail.refund.issued*/
    /*first SettledAt retail.refund.settled*/
    /*first ClosedAt retail.return.closed*/
    max(ReturnReason) AS Reason,
    max(e.Disposition) AS Disposition,
    max(e.OrderId) AS OrderId,
    max(e.Sku) AS Sku,
    /*one currency*/ AS Currency,
    ifNull(maxIf(e.Quantity, EventName IN ('retail.return.requested', 'retail.return.received')), 0) AS Quantity,
    argMaxIf(e.Amount, Moment, EventName = 'retail.return.requested') AS Amount,
    if(countIf(EventName = 'retail.refund.issued' AND e.Amount IS NOT NULL) > 0, sumIf(e.Amount, EventName = 'retail.refund.issued'), NULL) AS RefundAmount
FROM events AS e
GROUP BY Stream, CaseId
