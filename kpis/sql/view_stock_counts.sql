-- Counts of stock: what was found, and what the system believed in just before.
WITH events AS
(
/*events*/
)
SELECT
    Stream, CaseId, EventId AS Subject, Timestamp AS Began, Timestamp AS CountedAt, Sku, LocationId,
    /*number retail.stock.level*/ AS Counted,
    /*number retail.stock.book*/ AS Book
FROM events
