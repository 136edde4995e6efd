-- The times at which there was nothing of an item at a location: from the event that says that the level reached zero to
-- the first later one that tells a level above it, after or just before itself (units that are taken were there), or units
-- added. A level reported again as zero before that begins nothing new. What another system shows (synchronised) is no
-- level of the shelf and ends nothing.
WITH
    events AS
    (
        SELECT
            *,
            /*number retail.stock.level*/ AS Level,
            ifNull(Level, if(EventName = 'retail.stock.replenished', ifNull(Quantity, 1), 0)) AS After,
            multiIf(EventName = 'retail.stock.reserved', After + ifNull(Quantity, 0),
                EventName = 'retail.stock.adjusted', After - ifNull(Quantity, 0), After) AS Before
        FROM
        (
/*events*/
        )
    ),
    grouped AS
    (
        SELECT
            Stream, CaseId, max(e.Sku) AS Sku, max(e.LocationId) AS LocationId,
            arraySort(groupArrayIf(Timestamp, EventName = 'retail.stock.depleted')) AS Begins,
            arraySort(groupArrayIf(Timestamp, EventName != 'retail.stock.depleted' AND greatest(After, Before) > 0)) AS Ends,
            arrayMap(b -> arrayFirstIndex(e -> e > b, Ends), Begins) AS Closing
        FROM events AS e
        GROUP BY Stream, CaseId
    )
SELECT
    Stream, CaseId, toString(Place) AS Subject, B AS Began, B AS StartedAt, if(C = 0, NULL, Ends[C]) AS EndedAt, Sku, LocationId
FROM grouped
ARRAY JOIN Begins AS B, Closing AS C, arrayEnumerate(Begins) AS Place,
    arrayMap((c, i) -> i > 1 AND Closing[i - 1] = c, Closing, arrayEnumerate(Closing)) AS Again
WHERE NOT Again
