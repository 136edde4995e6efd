-- The occurrences of one transition in each case: its place, when it begins and how long it lasts (ns); `Time`: the first,
-- second, … in its case. Stands in the statements of the spectrum.
SELECT
    CaseId, Time, tupleElement(One, 2) AS Place, tupleElement(One, 3) AS Began, tupleElement(One, 4) AS Gap
FROM
(
    SELECT
        CaseId,
        arrayFilter(o -> o.1, arrayMap(
            (a, b, e, s, i) -> (a = {from_step:String} AND b = {to_step:String}, i, e, greatest(s - e, 0)),
            arrayPopBack(Steps), arrayPopFront(Steps), arrayPopBack(Ends), arrayPopFront(Starts),
            arrayPopBack(arrayEnumerate(Steps)))) AS List
    FROM cases FINAL
    WHERE TenantId = {tenant:String} AND Stream = {stream:String} AND Events > 1
        AND has(Steps, {from_step:String}) AND has(Steps, {to_step:String}) AND /*filter*/
)
ARRAY JOIN List AS One, arrayEnumerate(List) AS Time
