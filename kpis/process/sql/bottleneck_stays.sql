-- Part of other statements: every wait of a case of a stream after a step, as it was known at `now_ns`. Steps are taken in
-- the order of their ends; a wait lasts from the end of a step to the start of the next one, and a case `Stands` after its
-- last. Nothing waits after the event that closes a case, nor after a step from which a case goes on by itself (`running`).
-- `steps`: only the waits after these, or after all others (`other_steps` = 1).
-- Most cases have their steps in the order of their ends already; only the others are sorted, array by array, because to
-- look up places in an array takes a copy of it for each.
SELECT
    CaseId, CaseNumber, Step, EventName, Entered,
    toUInt8(Place = KnownCount) AS Stands,
    greatest(NextStart, Entered) AS Gone,
    NextStep, NextName, NextResource, CaseValue, CaseCurrency
FROM
(
    SELECT
        CaseId,
        cityHash64(CaseId) AS CaseNumber,
        Value AS CaseValue,
        toString(Currency) AS CaseCurrency,
        ifNull(toUnixTimestamp64Nano(ClosedAt), toInt64(9223372036854775807)) AS Closed,
        Ends[-1] <= {now_ns:Int64} AND arrayMin(arrayDifference(Ends)) >= 0 AS InOrder,
        arrayEnumerate(Ends) AS Places,
        arrayCount(e -> e <= {now_ns:Int64}, Ends) AS KnownCount,
        if(InOrder, Ends, arraySlice(arraySort(Ends), 1, KnownCount)) AS KnownEnds,
        if(InOrder, Starts, arraySlice(arraySort((x, e, i) -> (e, i), Starts, Ends, Places), 1, KnownCount)) AS KnownStarts,
        if(InOrder, Steps, arraySlice(arraySort((x, e, i) -> (e, i), Steps, Ends, Places), 1, KnownCount)) AS KnownSteps,
        if(InOrder, EventNames, arraySlice(arraySort((x, e, i) -> (e, i), EventNames, Ends, Places), 1, KnownCount))
            AS KnownNames,
        if(InOrder, Resources, arraySlice(arraySort((x, e, i) -> (e, i), Resources, Ends, Places), 1, KnownCount))
            AS KnownResources
    FROM cases FINAL
    WHERE TenantId = {tenant:String}
        AND Stream = {stream:String}
        AND (Outcome = '' OR Last >= fromUnixTimestamp64Nano({last_ns:Int64}))
        AND /*filter*/
)
ARRAY JOIN
    KnownEnds AS Entered,
    KnownSteps AS Step,
    KnownNames AS EventName,
    arrayShiftLeft(KnownStarts, 1) AS NextStart,
    arrayShiftLeft(KnownSteps, 1) AS NextStep,
    arrayShiftLeft(KnownNames, 1) AS NextName,
    arrayShiftLeft(KnownResources, 1) AS NextResource,
    arrayEnumerate(KnownEnds) AS Place
WHERE Entered >= {from_ns:Int64}
    AND Entered < Closed
    AND EventName NOT IN {running:Array(String)}
    AND Step NOT IN {running:Array(String)}
    AND (Step IN {steps:Array(String)}) != {other_steps:UInt8}
