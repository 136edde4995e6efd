-- Levels as another system shows them: when they changed where they are kept, and when they were shown.
WITH events AS
(
/*events*/
)
SELECT
    Stream, CaseId, EventId AS Subject, Timestamp AS Began, /*time retail.changed.at*/ AS ChangedAt, Timestamp AS ShownAt,
    Sku, LocationId, Attributes['retail.system'] AS System,
    /*number retail.stock.level*/ AS Level
FROM events
