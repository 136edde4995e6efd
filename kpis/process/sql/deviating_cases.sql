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
    SELECT
        CaseId,
        First,
        Last,
        Outcome,
        ClosedAt,
        Duration,
        Value,
        Currency,
        LastStep,
        Steps,
        Attributes,
        Ends = arraySort(Ends) AS Sorted,
        if(Sorted, Steps, arraySort((x, e, i) -> (e, i), Steps, Ends, arrayEnumerate(Ends))) AS DoneSteps,
        if(Sorted, EventNames, arraySort((x, e, i) -> (e, i), EventNames, Ends, arrayEnumerate(Ends))) AS DoneNames,
        if(Sorted, Ends, arraySort((x, e, i) -> (e, i), Ends, Ends, arrayEnumerate(Ends))) AS DoneEnds,
        if(Sorted, Actors, arraySort((x, e, i) -> (e, i), Actors, Ends, arrayEnumerate(Ends))) AS DoneActors,
        if(Sorted, Systems, arraySort((x, e, i) -> (e, i), Systems, Ends, arrayEnumerate(Ends))) AS DoneSystems,
        if(Sorted, Resources, arraySort((x, e, i) -> (e, i), Resources, Ends, arrayEnumerate(Ends))) AS DoneResources
    FROM cases FINAL
    WHERE TenantId = {tenant:String} AND Stream = {stream:String} AND /*filter*/
)
WHERE said = {state:UInt8} OR ({state:UInt8} = 10 AND said > 10)
ORDER BY coalesce(value, 0) DESC, case_id
LIMIT {limit:UInt32}
