-- What the facts of subjects add up to, by measure and hour (or, of late, minute).
SELECT
    F.1 AS M,
    if(has({by_minute:Array(UInt16)}, M), toUnixTimestamp(toStartOfMinute(toDateTime(F.2, 'UTC'))),
        toUnixTimestamp(toStartOfHour(toDateTime(F.2, 'UTC'), {tz:String}))) AS At,
    sumIf(toInt128(F.4), F.3 = 1) AS Numerator,
    sumIf(toInt128(F.5), F.3 = 1) AS Denominator,
    countIf(F.3 = 1) AS Counted,
    countIf(F.3 >= 10) AS LeftOut,
    countIf(F.3 = 2) AS Open,
    arraySort(groupArrayIf(F.4, F.3 = 1 AND has({ordered:Array(UInt16)}, M))) AS Numbers
FROM
(
/*facts*/
)
ARRAY JOIN Facts AS F
WHERE F.2 >= {recent:Int64} OR NOT has({by_minute:Array(UInt16)}, M)
GROUP BY M, At
