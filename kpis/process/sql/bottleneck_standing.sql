-- Cases that stand after a step at `now_ns`. `limits`: the usual p90 of the wait at each of `places` (ns), -1 elsewhere.
-- A case is delayed when it waits longer than that; what has waited longer than `cap_ns` is given up and adds no excess.
-- Cases without an amount count under a currency of their step.
SELECT
    toString(Step) AS step,
    any(toString(EventName)) AS event_name,
    if(CaseCurrency = '', StepCurrency, CaseCurrency) AS currency,
    count() AS cases,
    sum(coalesce(CaseValue, 0)) AS value,
    countIf(CaseValue IS NULL) AS unpriced,
    fromUnixTimestamp64Nano(min(Entered), 'UTC') AS oldest_since,
    quantileExactInclusive(0.5)(Waited / 1e9) AS median_wait_s,
    countIf(Excess > 0) AS delayed_cases,
    sumIf(coalesce(CaseValue, 0), Excess > 0) AS delayed_value,
    sumIf(Excess / 1e9, Excess > 0 AND NOT GivenUp) AS excess_wait_s,
    sumIf(toFloat64(coalesce(CaseValue, 0)) * (Excess / 3.6e12), Excess > 0 AND NOT GivenUp) AS value_hours
FROM
(
    SELECT
        Step, EventName, Entered, CaseValue, CaseCurrency,
        max(CaseCurrency) OVER (PARTITION BY Step) AS StepCurrency,
        {now_ns:Int64} - Entered > {cap_ns:Int64} AS GivenUp,
        /*waited Entered {now_ns:Int64}*/ AS Waited,
        transform(Step, {places:Array(String)}, {limits:Array(Int64)}, toInt64(-1)) AS Usual,
        if(Usual < 0, 0, Waited - Usual) AS Excess
    FROM (/*stays*/)
    WHERE Stands = 1
)
GROUP BY Step, currency
ORDER BY step, currency
