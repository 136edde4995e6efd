-- Waiting after each step in a period [start_ns, end_ns) and in the time before it, cut to each, by the step that came
-- next ('' for none). Cases and the median are of the step as a whole. Cases without an amount count under a currency of
-- their step.
SELECT
    step,
    to_step,
    currency,
    any(Name) AS event_name,
    any(StepCases) AS cases,
    any(StepMedian) / 1e9 AS median_wait_s,
    sum(Waits) AS waits,
    sum(Unpriced) AS unpriced,
    sum(WaitingS) AS waiting_s,
    sum(ValueHours) AS value_hours,
    sum(BeforeValueHours) AS before_value_hours
FROM
(
    -- A few rows for each transition: what they share is worked out over them and not over the waits.
    SELECT
        *,
        uniqExactMerge(CaseState) OVER (PARTITION BY step, currency) AS StepCases,
        quantileExactInclusiveMerge(0.5)(LengthState) OVER (PARTITION BY step, currency) AS StepMedian
    FROM
    (
        SELECT
            *,
            if(RawCurrency = '', max(RawCurrency) OVER (PARTITION BY step), RawCurrency) AS currency
        FROM
        (
            SELECT
                toString(Step) AS step,
                toString(NextStep) AS to_step,
                CaseCurrency AS RawCurrency,
                any(toString(EventName)) AS Name,
                uniqExactStateIf(CaseNumber, Within > 0) AS CaseState,
                quantileExactInclusiveStateIf(0.5)(Length, Within > 0) AS LengthState,
                countIf(Within > 0) AS Waits,
                countIf(Within > 0 AND CaseValue IS NULL) AS Unpriced,
                sum(Within / 1e9) AS WaitingS,
                sum(Money * (Within / 3.6e12)) AS ValueHours,
                sum(Money * (Earlier / 3.6e12)) AS BeforeValueHours
            FROM
            (
                SELECT
                    Step, NextStep, EventName, CaseNumber, CaseValue, CaseCurrency,
                    toFloat64(coalesce(CaseValue, 0)) AS Money,
                    if(Stands = 1, {end_ns:Int64}, Gone) AS Till,
                    least(Till, {end_ns:Int64}) AS Cut,
                    /*waited Entered Till*/ AS Length,
                    /*waited Entered {start_ns:Int64}*/ AS ByStart,
                    greatest(/*waited Entered Cut*/ - ByStart, 0) AS Within,
                    greatest(least(Length, ByStart) - /*waited Entered {before_ns:Int64}*/, 0) AS Earlier
                FROM (/*stays*/)
                WHERE Entered < {end_ns:Int64} AND (Stands = 1 OR Gone >= {before_ns:Int64})
            )
            GROUP BY Step, NextStep, CaseCurrency
        )
    )
)
GROUP BY step, to_step, currency
HAVING waits > 0
