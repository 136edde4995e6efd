-- Waiting after each step in a period [start_ns, end_ns) and in the time before it, cut to each, by the step that came
-- next ('' for none). Cases and the median are of the step as a whole. Cases without an amount count under a currency of
-- their step.
SELECT
    step,
    to_step,
    currency,
    any(EventName) AS event_name,
    any(StepCases) AS cases,
    any(StepMedian) AS median_wait_s,
    countIf(Within > 0) AS waits,
    countIf(Within > 0 AND CaseValue IS NULL) AS unpriced,
    sum(Within / 1e9) AS waiting_s,
    sum(toFloat64(coalesce(CaseValue, 0)) * (Within / 3.6e12)) AS value_hours,
    sum(toFloat64(coalesce(CaseValue, 0)) * (Earlier / 3.6e12)) AS before_value_hours
FROM
(
    SELECT
        *,
        uniqExactIf(CaseId, Within > 0) OVER (PARTITION BY step, currency) AS StepCases,
        quantileExactInclusiveIf(0.5)((Till - Entered) / 1e9, Within > 0) OVER (PARTITION BY step, currency) AS StepMedian
    FROM
    (
        SELECT
            Step AS step,
            NextStep AS to_step,
            if(CaseCurrency = '', max(CaseCurrency) OVER (PARTITION BY Step), CaseCurrency) AS currency,
            CaseId, EventName, CaseValue, Entered,
            if(Stands, {end_ns:Int64}, Gone) AS Till,
            greatest(least(Till, {end_ns:Int64}) - greatest(Entered, {start_ns:Int64}), 0) AS Within,
            greatest(least(Till, {start_ns:Int64}) - greatest(Entered, {before_ns:Int64}), 0) AS Earlier
        FROM (/*stays*/)
        WHERE Entered < {end_ns:Int64}
    )
)
GROUP BY step, to_step, currency
HAVING waits > 0
