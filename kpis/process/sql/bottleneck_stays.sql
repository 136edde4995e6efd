-- Part of other statements: every wait of a case after a step, as it was known at `now_ns`. Steps are taken in the order
-- of their ends; a wait lasts from the end of a step to the start of the next one, and a case `Stands` after its last.
-- Nothing waits after the event that closes a case, nor after a step from which a case goes on by itself (`running`).
SELECT
    CaseStream,
    CaseId,
    tupleElement(One, 2) AS Step,
    tupleElement(One, 3) AS EventName,
    tupleElement(One, 1) AS Entered,
    tupleElement(One, 5) AS Stands,
    greatest(tupleElement(One, 4), Entered) AS Gone,
    tupleElement(One, 6) AS NextResource,
    tupleElement(One, 7) AS NextStep,
    CaseValue,
    CaseCurrency,
    concat(CaseStream, '/', Step) AS Place
FROM
(
    SELECT
        toString(Stream) AS CaseStream,
        CaseId,
        Value AS CaseValue,
        toString(Currency) AS CaseCurrency,
        ifNull(toUnixTimestamp64Nano(ClosedAt), toInt64(9223372036854775807)) AS Closed,
        arraySort(arrayFilter(
            p -> tupleElement(p, 1) <= {now_ns:Int64},
            arrayMap((e, i, s, n, b, r) -> (e, i, toString(s), toString(n), b, toString(r)),
                Ends, arrayEnumerate(Ends), Steps, EventNames, Starts, Resources))) AS Known,
        arrayResize(
            arrayPopFront(Known), length(Known), (toInt64(0), toUInt32(0), '', '', toInt64(0), '')) AS Following,
        arrayMap(
            (p, n) -> (
                tupleElement(p, 1), tupleElement(p, 3), tupleElement(p, 4), tupleElement(n, 5),
                toUInt8(tupleElement(n, 2) = 0), tupleElement(n, 6), tupleElement(n, 3)),
            Known, Following) AS Stays
    FROM cases FINAL
    WHERE TenantId = {tenant:String}
        AND has({streams:Array(String)}, Stream)
        AND (Outcome = '' OR Last >= fromUnixTimestamp64Nano({last_ns:Int64}))
        AND /*filter*/
)
ARRAY JOIN Stays AS One
WHERE Entered >= {from_ns:Int64}
    AND Entered < Closed
    AND NOT has({running:Array(String)}, concat(CaseStream, '/', EventName))
    AND NOT has({running:Array(String)}, Place)
