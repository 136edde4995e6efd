-- What the facts of subjects add up to, by measure and hour (or, of late, minute).
SELECT
    M,
    if(has({by_minute:Array(UInt16)}, M), toUnixTimestamp(toStartOfMinute(toDateTime(Second, 'UTC'))),
        toUnixTimestamp(toStartOfHour(toDateTime(Second, 'UTC'), {tz:String}))) AS At,
    sumIf(toInt128(N), State = 1) AS Numerator,
    sumIf(toInt128(D), State = 1) AS Denominator,
    countIf(State = 1) AS Counted,
    countIf(State >= 10) AS LeftOut,
    countIf(State = 2) AS Open,
    arraySort(groupArrayIf(N, State = 1 AND has({ordered:Array(UInt16)}, M))) AS Numbers
FROM
(
/*facts*/
)
WHERE Second >= {recent:Int64} OR NOT has({by_minute:Array(UInt16)}, M)
GROUP BY M, At
