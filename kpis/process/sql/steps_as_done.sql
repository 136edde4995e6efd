-- Cases with their steps in the order of their timestamps, which are their ends: the arrays `Done…`, ties as in the case.
-- Stands in the statements that check rules.
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
