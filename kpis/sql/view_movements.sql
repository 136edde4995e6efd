-- Movements: what one event said was ordered, shipped, cancelled or credited, at its own time. Of a line placed more than
-- once the last word counts, from the first time. A credit that does not say how many pieces it is for is for what its
-- return brought (the first credit of the return; later ones are for money alone). `First` is the first of its kind in
-- the case, so that orders and returns can be counted.
WITH
    events AS
    (
/*events*/
    ),
    told AS
    (
        SELECT
            Stream,
            CaseId,
            EventName,
            if(EventName = 'retail.order.line.placed' AND Attributes['retail.order.line.id'] != '',
                concat('line/', Attributes['retail.order.line.id']), EventId) AS Subject,
            min(Timestamp) AS At,
            argMax((Quantity, Amount, toString(Currency), Attributes['retail.order.id'], Attributes['retail.order.line.id'],
                Attributes['retail.sku'], Attributes['retail.channel'],
                if(Attributes['retail.cancel.reason'] = '', Attributes['retail.return.reason'], Attributes['retail.cancel.reason'])),
                (Timestamp, EventId)) AS Said
        FROM events
        GROUP BY Stream, CaseId, EventName, Subject
    )
SELECT
    Stream, CaseId, Subject, At AS Began, Kind, At, Said.4 AS OrderId, Said.5 AS LineId, Said.6 AS Sku, Said.7 AS Channel,
    Said.8 AS Reason, Said.3 AS Currency,
    if(Said.1 IS NULL AND Kind = 'credited', if(First, Returned, 0), Said.1) AS Quantity, Said.2 AS Amount, First
FROM
(
    SELECT
        *,
        transform(EventName,
            ['retail.order.line.placed', 'retail.order.line.shipped', 'retail.order.line.cancelled', 'retail.refund.issued'],
            ['ordered', 'shipped', 'cancelled', 'credited'], '') AS Kind,
        row_number() OVER (PARTITION BY Stream, CaseId, EventName ORDER BY At, Subject) = 1 AS First,
        maxOrNullIf(Said.1, EventName IN ('retail.return.requested', 'retail.return.received')) OVER (PARTITION BY Stream, CaseId) AS Returned
    FROM told
)
WHERE Kind != ''
