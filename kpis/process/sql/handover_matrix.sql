-- Who holds the work before and after each transition; '' has none. `gap` and `waiting` as in map_transitions.sql. A
-- case is counted where the passage occurs in it for the first time.
SELECT
    tupleElement(Pair, 1) AS from_holder,
    tupleElement(Pair, 2) AS to_holder,
    count() AS count,
    countIf(Time = 1) AS cases,
    arrayConcat([avg(Gap)], quantilesExactInclusive(0.5, 0.9, 0.95)(Gap), [sum(Gap)]) AS gap,
    countIf(Known = 1) AS waits,
    arrayConcat([avgIf(Wait, Known = 1)], quantilesExactInclusiveIf(0.5, 0.9, 0.95)(Wait, Known = 1),
        [sumIf(Wait, Known = 1)]) AS waiting,
    count() OVER () AS total
FROM
(
    SELECT Pair, Time, tupleElement(Pair, 3) AS Gap, tupleElement(Pair, 4) AS Known, tupleElement(Pair, 5) AS Wait
    FROM
    (
        SELECT
            multiIf({by:String} = 'system', Systems, {by:String} = 'resource', Resources, Actors) AS Holders,
            arrayMap((a, b, e, s, k, w) -> (a, b, greatest(s - e, 0) / 1e9, k, w / 1e9),
                arrayPopBack(Holders), arrayPopFront(Holders), arrayPopBack(Ends), arrayPopFront(Starts),
                arrayPopFront(Started), arrayPopFront(Waits)) AS Pairs,
            arrayEnumerateUniq(arrayPopBack(Holders), arrayPopFront(Holders)) AS Times
        FROM cases FINAL
        WHERE TenantId = {tenant:String} AND Stream = {stream:String} AND Events > 1 AND /*filter*/
    )
    ARRAY JOIN Pairs AS Pair, Times AS Time
)
GROUP BY from_holder, to_holder
ORDER BY count DESC, from_holder, to_holder
LIMIT {limit:UInt32}
