-- The durations to compare: their number, the given quantile, how many are above the limit (the quantile where that is
-- negative), and what equal durations ask for in a rank test (the sum of t^3 - t over groups of t equal ones).
SELECT
    any(Limit) AS threshold_s,
    sum(Equal) AS cases,
    sumIf(Equal, Seconds > Limit) AS slow,
    sum(pow(toFloat64(Equal), 3) - Equal) AS ties
FROM
(
    SELECT Seconds, any(Quantile) AS Limit, count() AS Equal
    FROM
    (
        SELECT
            Duration / 1e9 AS Seconds,
            if({threshold_s:Float64} >= 0, {threshold_s:Float64},
                quantileExactInclusive({share:Float64})(Duration / 1e9) OVER ()) AS Quantile
        FROM cases FINAL
        WHERE TenantId = {tenant:String} AND Stream = {stream:String}
            AND (Outcome != '' OR {closed_only:UInt8} = 0) AND /*filter*/
    )
    GROUP BY Seconds
)
