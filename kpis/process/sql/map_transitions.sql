-- Directly-follows pairs. `gap`: end of the first to start of the second, not below 0; `waiting`: the part of it in which
-- nothing of the case was at work, before a known start. Seconds; percentiles interpolated. Steps become numbers, their
-- places in `Names`, and a pair one number, because grouping by two texts costs more than all the rest; a case is counted
-- where the pair occurs in it for the first time. `Names` may hold steps of older versions of a case, which harms nothing; a
-- step that came after it was read is left out until next time.
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
    countIf(Time = 1) AS cases,
    quantilesExactInclusive(0.5, 0.9, 0.95)(Gap) AS gap,
    avg(Gap) AS gap_mean_s,
    sum(Gap) AS gap_sum_s,
    countIf(Known = 1) AS waits,
    quantilesExactInclusiveIf(0.5, 0.9, 0.95)(Wait, Known = 1) AS waiting,
    avgIf(Wait, Known = 1) AS waiting_mean_s,
    sumIf(Wait, Known = 1) AS waiting_sum_s
FROM
(
    WITH arrayMap(s -> toUInt64(transform(s, Names, arrayEnumerate(Names), 0)), Steps) AS Codes
    SELECT
        arrayMap((a, b) -> bitShiftLeft(a, 32) + b, arrayPopBack(Codes), arrayPopFront(Codes)) AS Pairs,
        arrayMap((e, s) -> greatest(s - e, 0) / 1e9, arrayPopBack(Ends), arrayPopFront(Starts)) AS Gaps,
        arrayPopFront(Started) AS Knowns,
        arrayMap(w -> w / 1e9, arrayPopFront(Waits)) AS Lengths,
        arrayEnumerateUniq(Pairs) AS Times
    FROM cases FINAL
    WHERE TenantId = {tenant:String} AND Stream = {stream:String} AND Events > 1 AND /*filter*/
)
ARRAY JOIN Pairs AS Pair, Gaps AS Gap, Knowns AS Known, Lengths AS Wait, Times AS Time
GROUP BY Pair
HAVING from_step != '' AND to_step != ''
ORDER BY count DESC, from_step, to_step
