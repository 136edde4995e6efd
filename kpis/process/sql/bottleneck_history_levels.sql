-- What changed from one full hour to the next since `before_ns`, by step and currency, to be added up: money and cases
-- that had stood there for no longer than the usual p90 (`limits` at `places`, ns), and what had stood there for longer.
SELECT
    step,
    currency,
    groupArray((Hour, Money, Cases, LateMoney, LateCases)) AS changes
FROM
(
    SELECT
        step,
        currency,
        toInt64(greatest(ceil((tupleElement(Change, 1) - {before_ns:Int64}) / 3.6e12), 0)) AS Hour,
        sum(CaseMoney * tupleElement(Change, 2)) AS Money,
        sum(tupleElement(Change, 2)) AS Cases,
        sum(CaseMoney * tupleElement(Change, 3)) AS LateMoney,
        sum(tupleElement(Change, 3)) AS LateCases
    FROM
    (
        SELECT
            Step AS step,
            if(CaseCurrency = '', max(CaseCurrency) OVER (PARTITION BY Step), CaseCurrency) AS currency,
            toFloat64(coalesce(CaseValue, 0)) AS CaseMoney,
            if(Stands, {end_ns:Int64} + 7200000000000, Gone) AS Till,
            transform(Place, {places:Array(String)}, {limits:Array(Int64)}, toInt64(-1)) AS Usual,
            if(Till - Entered > Usual,
                [(Entered, 1, 0), (Entered + Usual, -1, 1), (Till, 0, -1)], [(Entered, 1, 0), (Till, -1, 0)]) AS Changes
        FROM (/*stays*/)
        WHERE Entered < {end_ns:Int64} AND Usual >= 0
    )
    ARRAY JOIN Changes AS Change
    WHERE Hour <= {hours:UInt32}
    GROUP BY step, currency, Hour
)
GROUP BY step, currency
