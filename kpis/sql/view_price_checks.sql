-- Prices that somebody looked at: what was found and what should have been.
WITH events AS
(
/*events*/
)
SELECT
    Stream, CaseId, EventId AS Subject, Timestamp AS Began, Timestamp AS CheckedAt, Sku, Channel,
    Amount AS Found, toDecimal64OrNull(Attributes['retail.price.expected'], 4) AS Expected,
    toString(Currency) AS Currency
FROM events
