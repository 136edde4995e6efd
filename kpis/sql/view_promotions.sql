-- Promotions: when each step was told, and what was claimed from the sponsor and paid by it.
WITH events AS
(
/*events*/
)
SELECT
    Stream,
    CaseId,
    '' AS Subject,
    min(Timestamp) AS Began,
    /*first SetUpAt retail.promotion.set_up*/
    /*first PricedAt retail.promotion.priced*/
    /*first StartedAt retail.promotion.started*/
    /*first EndedAt retail.promotion.ended*/
    /*first ClaimedAt retail.promotion.claimed*/
    /*last LastClaimedAt retail.promotion.claimed*/
    /*last SettledAt retail.promotion.settled*/
    max(e.SupplierId) AS SupplierId,
    /*one currency*/ AS Currency,
    countIf(EventName = 'retail.promotion.claimed') AS Claims,
    countIf(EventName = 'retail.promotion.settled') AS Settlements,
    if(countIf(EventName = 'retail.promotion.claimed' AND e.Amount IS NOT NULL) > 0, sumIf(e.Amount, EventName = 'retail.promotion.claimed'), NULL) AS Claimed,
    if(countIf(EventName = 'retail.promotion.settled' AND e.Amount IS NOT NULL) > 0, sumIf(e.Amount, EventName = 'retail.promotion.settled'), NULL) AS Settled
FROM events AS e
GROUP BY Stream, CaseId
