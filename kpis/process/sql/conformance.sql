-- What each rule says of the cases. `States` has one state a rule (`rule_sql.State`); a last one is put behind them for
-- the case as a whole: violated if any rule is, else unknown, else pending, else fulfilled. Durations in seconds.
SELECT
    Rule AS rule,
    count() AS cases,
    countIf(Said = 1) AS conforming,
    countIf(Said = 2) AS pending,
    countIf(Said = 3) AS violating,
    countIf(Said = 4) AS unknown,
    countIf(Said >= 10) AS allowed,
    sumMapIf(map(Said, toUInt64(1)), Said >= 10) AS allowances,
    countIf(Said = 3 AND Closed) AS violating_closed,
    countIf(Said = 1 AND Closed) AS conforming_closed,
    quantileExactInclusiveIf(0.5)(Seconds, Said = 3 AND Closed) AS violating_median_s,
    avgIf(Seconds, Said = 3 AND Closed) AS violating_mean_s,
    quantileExactInclusiveIf(0.5)(Seconds, Said = 1 AND Closed) AS conforming_median_s,
    avgIf(Seconds, Said = 1 AND Closed) AS conforming_mean_s,
    sumMapIf(map(toString(Currency), toDecimal128(coalesce(Value, 0), 4)), Said = 3 AND Value IS NOT NULL) AS money,
    countIf(Said = 3 AND Value IS NULL) AS unpriced,
    arrayMap(e -> e.2, arraySlice(groupArraySortedIf(100)(
        (-toFloat64(coalesce(Value, 0)), CaseId), Said = 3), 1, {examples:UInt32})) AS examples
FROM
(
    SELECT
        CaseId,
        Value,
        Currency,
        Outcome != '' AS Closed,
        Duration / 1e9 AS Seconds,
        /*states*/ AS Own,
        arrayPushBack(Own, toUInt8(multiIf(has(Own, 3), 3, has(Own, 4), 4, has(Own, 2), 2, 1))) AS States
    FROM
    (
        /*steps as done*/
    )
)
ARRAY JOIN States AS Said, arrayEnumerate(States) AS Rule
WHERE Said != 0
GROUP BY Rule
ORDER BY Rule
