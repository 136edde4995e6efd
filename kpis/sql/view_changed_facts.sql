-- By how much the facts of the touched cases change, by measure and hour (or, of late, minute): those of the rows that were made
-- count once (`Side` 1), those of the rows that stand less (-1). A fact of measure 65535 is a subject that is no more.
SELECT
    F.1 AS M,
    if(has({by_minute:Array(UInt16)}, M), toUnixTimestamp(toStartOfMinute(toDateTime(F.2, 'UTC'))),
        toUnixTimestamp(toStartOfHour(toDateTime(F.2, 'UTC'), {tz:String}))) AS At,
    sumIf(Side * toInt128(F.4), F.3 = 1) AS Numerator,
    sumIf(Side * toInt128(F.5), F.3 = 1) AS Denominator,
    sumIf(Side, F.3 = 1) AS Counted,
    sumIf(Side, F.3 >= 10) AS LeftOut,
    sumIf(Side, F.3 = 2) AS Open,
    arraySort(groupArrayIf(F.4, F.3 = 1 AND Side = 1 AND has({ordered:Array(UInt16)}, M))) AS Come,
    arraySort(groupArrayIf(F.4, F.3 = 1 AND Side = -1 AND has({ordered:Array(UInt16)}, M))) AS Gone
FROM
(
/*facts*/
)
ARRAY JOIN Facts AS F
WHERE F.2 >= {recent:Int64} OR NOT has({by_minute:Array(UInt16)}, M)
GROUP BY M, At
HAVING Numerator != 0 OR Denominator != 0 OR Counted != 0 OR LeftOut != 0 OR Open != 0 OR Come != Gone
