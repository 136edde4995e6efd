-- The cases of which one rule says the same, the most valuable first.
SELECT
    CaseId AS case_id,
    First AS first,
    Last AS last,
    Duration / 1e9 AS duration_s,
    toString(Outcome) AS outcome,
    Value AS value,
    toString(Currency) AS currency,
    toString(LastStep) AS last_step,
    Steps AS steps,
    /*states*/[1] AS said,
    count() OVER () AS total
FROM
(
    /*steps as done*/
)
WHERE said = {state:UInt8} OR ({state:UInt8} = 10 AND said > 10)
ORDER BY coalesce(value, 0) DESC, case_id
LIMIT {limit:UInt32}
