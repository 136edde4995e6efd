-- Movements: what one event said was ordered, shipped, cancelled or credited, at its own time. Of a line placed more than
-- once the last word counts, from the first time. A credit that does not say how many pieces it is for is for what its
-- return brought (the first credit of the return; later ones are for money alone). `First` is the first of its kind in
-- the case, so that orders and returns can be counted.
-- A case is one array: its runs of the same subject and of the same kind are found by looking at the neighbour, which
-- costs half of what windows do. Neighbours are arrays shifted by one: an index within a lambda would copy the array.
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
            if(EventName = 'retail.order.line.placed' AND LineId != '', concat('line/', LineId), EventId) AS Subject,
            (EventName, Subject, Timestamp, EventId, Quantity, Amount, toString(Currency), LineId, Sku, OrderId, Channel,
                if(CancelReason = '', ReturnReason, CancelReason)) AS Said
        FROM events
    ),
    cases AS
    (
        SELECT
            Stream,
            CaseId,
            maxOrNullIf(Said.5, EventName IN ('retail.return.requested', 'retail.return.received')) AS Returned,
            arraySort(s -> (s.1, s.2, s.3, s.4), groupArray(Said)) AS Words,
            arrayMap((s, before, i) -> i = 1 OR (s.1, s.2) != (before.1, before.2),
                Words, arrayPushFront(arrayPopBack(Words), Words[1]), arrayEnumerate(Words)) AS Begins,
            arrayFill((t, b) -> b, arrayMap(s -> s.3, Words), Begins) AS Times,
            arrayFilter((m, last) -> last, arrayMap((s, t) -> (s.1, t, s.2, s.5, s.6, s.7, s.8, s.9, s.10, s.11, s.12), Words, Times),
                arrayPushBack(arrayPopFront(Begins), 1)) AS Last,
            arraySort(m -> (m.1, m.2, m.3), Last) AS Sorted,
            arrayMap((m, before, i) -> i = 1 OR m.1 != before.1,
                Sorted, arrayPushFront(arrayPopBack(Sorted), Sorted[1]), arrayEnumerate(Sorted)) AS Firsts
        FROM told
        GROUP BY Stream, CaseId
    )
SELECT
    Stream, CaseId, M.3 AS Subject, M.2 AS Began,
    transform(M.1,
        ['retail.order.line.placed', 'retail.order.line.shipped', 'retail.order.line.cancelled', 'retail.refund.issued'],
        ['ordered', 'shipped', 'cancelled', 'credited'], '') AS Kind,
    M.2 AS At, M.9 AS OrderId, M.7 AS LineId, M.8 AS Sku, M.10 AS Channel, M.11 AS Reason, M.6 AS Currency,
    if(M.4 IS NULL AND Kind = 'credited', if(First, Returned, 0), M.4) AS Quantity, M.5 AS Amount, First
FROM cases
ARRAY JOIN Sorted AS M, Firsts AS First
WHERE Kind != ''
