-- What changed from one full hour to the next since `before_ns`, by step and currency, to be added up: money and cases
-- that had stood there for no longer than the usual p90 (`limits` at `places`, ns), and what had stood there for longer.
SELECT
    step,
    currency,
    groupArray((Hour, Money, Cases, LateMoney, LateCases)) AS changes
FROM
(
    SELECT
        toString(Step) AS step,
        if(RawCurrency = '', max(RawCurrency) OVER (PARTITION BY Step), RawCurrency) AS currency,
        Hour, Money, Cases, LateMoney, LateCases
    FROM
    (
        SELECT
            Step,
            CaseCurrency AS RawCurrency,
            tupleElement(Change, 1) AS Hour,
            sum(CaseMoney * tupleElement(Change, 2)) AS Money,
            sum(tupleElement(Change, 2)) AS Cases,
            sum(CaseMoney * tupleElement(Change, 3)) AS LateMoney,
            sum(tupleElement(Change, 3)) AS LateCases
        FROM
        (
            SELECT
                Step, CaseCurrency,
                toFloat64(coalesce(CaseValue, 0)) AS CaseMoney,
                if(Stands = 1, {end_ns:Int64} + 7200000000000, Gone) AS Till,
                transform(Step, {places:Array(String)}, {limits:Array(Int64)}, toInt64(-1)) AS Usual,
                greatest(intDiv(Entered - {before_ns:Int64} + 3599999999999, 3600000000000), toInt64(0)) AS Came,
                greatest(intDiv(Till - {before_ns:Int64} + 3599999999999, 3600000000000), toInt64(0)) AS Went,
                /*hour late Entered Usual*/ AS Turned,
                if(/*waited Entered Till*/ > Usual,
                    [(Came, 1, 0), (Turned, -1, 1), (Went, 0, -1)], [(Came, 1, 0), (Went, -1, 0)]) AS Changes
            FROM (/*stays*/)
            WHERE Entered < {end_ns:Int64} AND Usual >= 0 AND (Stands = 1 OR Gone > {before_ns:Int64})
        )
        ARRAY JOIN Changes AS Change
        WHERE Hour <= {hours:Int64}
        GROUP BY Step, CaseCurrency, Hour
    )
)
GROUP BY step, currency
