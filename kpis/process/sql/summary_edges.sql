-- Directly-follows pairs: how often, and the seconds from the end of one step to the start of the next, not below 0.
-- `waiting_s` adds up only gaps that end at a known start. Steps as numbers: see map_transitions.sql.
WITH
    (
        SELECT groupUniqArrayArray(Steps)
        FROM cases
        WHERE TenantId = {tenant:String} AND Stream = {stream:String}
    ) AS Names
SELECT
    Names[bitShiftRight(Pair, 32)] AS from_step,
    Names[bitAnd(Pair, 0xFFFFFFFF)] AS to_step,
    count() AS count,
    avg(Gap) AS mean_s,
    quantileExactInclusive(0.5)(Gap) AS median_s,
    countIf(Known = 1) AS waits,
    sumIf(Gap, Known = 1) AS waiting_s
FROM
(
    WITH arrayMap(s -> toUInt64(transform(s, Names, arrayEnumerate(Names), 0)), Steps) AS Codes
    SELECT
        arrayMap((a, b) -> bitShiftLeft(a, 32) + b, arrayPopBack(Codes), arrayPopFront(Codes)) AS Pairs,
        arrayMap((e, s) -> greatest(s - e, 0) / 1e9, arrayPopBack(Ends), arrayPopFront(Starts)) AS Gaps,
        arrayPopFront(Started) AS Knowns
    FROM cases FINAL
    WHERE TenantId = {tenant:String} AND Stream = {stream:String} AND Events > 1 AND /*filter*/
)
ARRAY JOIN Pairs AS Pair, Gaps AS Gap, Knowns AS Known
GROUP BY Pair
HAVING from_step != '' AND to_step != ''
ORDER BY count DESC, from_step, to_step
