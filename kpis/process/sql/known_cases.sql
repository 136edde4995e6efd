-- What was known of the cases of a stream at `now_ns`: only events that had ended by then, in the order in which they
-- ended. `E`: end, place in the case, step, event, start. `Closed`: end of the event that closes the case, `Kept`: of the
-- first one that keeps its promise or closes it; 0 while none is known. The selection
-- looks at case ids alone, which all versions of a case share, so it may come before FINAL. A part of other statements.
SELECT
    CaseId, Value, Currency,
    arraySort(e -> (e.1, e.2), arrayFilter(e -> e.1 <= {now_ns:Int64},
        arrayZip(Ends, arrayEnumerate(Ends), Steps, EventNames, Starts))) AS E,
    arrayMin(E.5) AS Opened,
    arraySort(e -> e.2, arrayFilter(
        e -> has({terminal:Array(String)}, e.4) OR has({terminal:Array(String)}, e.3), E))[1].1 AS Closed,
    arraySort(e -> e.2, arrayFilter(
        e -> has({keeping:Array(String)}, e.4) OR has({keeping:Array(String)}, e.3), E))[1].1 AS Kept
FROM cases FINAL
PREWHERE /*selection*/
WHERE TenantId = {tenant:String} AND Stream = {stream:String} AND First <= fromUnixTimestamp64Nano({now_ns:Int64})
    AND /*filter*/
