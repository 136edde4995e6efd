-- By how much the facts of the touched cases change, by measure and hour (or, of late, minute): those of the rows that were made
-- count once (`Side` 1), those of the rows that stand less (-1). A fact of measure 65535 is a subject that is no more.
SELECT
    M,
    if(has({by_minute:Array(UInt16)}, M), toUnixTimestamp(toStartOfMinute(toDateTime(Second, 'UTC'))),
        toUnixTimestamp(toStartOfHour(toDateTime(Second, 'UTC'), {tz:String}))) AS At,
    sumIf(Side * toInt128(N), State = 1) AS Numerator,
    sumIf(Side * toInt128(D), State = 1) AS Denominator,
    sumIf(Side, State = 1) AS Counted,
    sumIf(Side, State >= 10) AS LeftOut,
    sumIf(Side, State = 2) AS Open,
    arraySort(groupArrayIf(N, State = 1 AND Side = 1 AND has({ordered:Array(UInt16)}, M))) AS Come,
    arraySort(groupArrayIf(N, State = 1 AND Side = -1 AND has({ordered:Array(UInt16)}, M))) AS Gone
FROM
(
/*facts*/
)
WHERE Second >= {recent:Int64} OR NOT has({by_minute:Array(UInt16)}, M)
GROUP BY M, At
HAVING Numerator != 0 OR Denominator != 0 OR Counted != 0 OR LeftOut != 0 OR Open != 0 OR Come != Gone
