-- Work that goes from one holder to another and comes straight back. A stay is a run of steps with the same holder; each
-- stay that lies between two stays of one other holder is a return. A stay without a holder is no part of one. A case is
-- counted at the first return between the pair in it.
SELECT
    least(Home, Away) AS one,
    greatest(Home, Away) AS other,
    count() AS count,
    countIf(Time = 1) AS cases,
    countIf(Home = one) AS to_one,
    arrayConcat([avg(Gone)], quantilesExactInclusive(0.5, 0.9, 0.95)(Gone), [sum(Gone)]) AS away,
    count() OVER () AS total
FROM
(
    SELECT tupleElement(Turn, 1) AS Home, tupleElement(Turn, 2) AS Away, tupleElement(Turn, 3) AS Gone, Time
    FROM
    (
        SELECT
            arrayMap(h -> toString(h), if({by:String} = 'system', Systems, Resources)) AS Holders,
            arrayEnumerate(Holders) AS Places,
            arrayPushFront(arrayPopBack(Holders), '') AS Before,
            arrayPushBack(arrayPopFront(Holders), '') AS After,
            arrayFilter((h, o, i) -> i = 1 OR h != o, Holders, Before, Places) AS Stays,
            arrayFilter((s, h, o, i) -> i = 1 OR h != o, Starts, Holders, Before, Places) AS Came,
            arrayFilter((e, h, o) -> h != o, Ends, Holders, After) AS Gave,
            greatest(toInt64(length(Stays)) - 2, 0) AS N,
            arrayFilter(t -> t.4, arrayMap(
                (a, b, c, l, s) -> (a, b, greatest(s - l, 0) / 1e9, a = c AND a != '' AND b != ''),
                arraySlice(Stays, 1, N), arraySlice(Stays, 2, N), arraySlice(Stays, 3, N),
                arraySlice(Gave, 1, N), arraySlice(Came, 3, N))) AS Turns,
            arrayEnumerateUniq(arrayMap(t -> least(t.1, t.2), Turns), arrayMap(t -> greatest(t.1, t.2), Turns)) AS Times
        FROM cases FINAL
        WHERE TenantId = {tenant:String} AND Stream = {stream:String} AND Events > 2 AND /*filter*/
    )
    ARRAY JOIN Turns AS Turn, Times AS Time
)
GROUP BY one, other
ORDER BY count DESC, one, other
LIMIT {limit:UInt32}
