-- A sample of single transitions: those whose hash of case and place comes first, so the same data give the same lines.
SELECT
    CaseId AS case_id,
    fromUnixTimestamp64Nano(Began, 'UTC') AS began,
    fromUnixTimestamp64Nano(Began + Gap, 'UTC') AS ended,
    1 + (Gap > {q1:Float64}) + (Gap > {q2:Float64}) + (Gap > {q3:Float64}) AS class
FROM
(
    SELECT CaseId, Place, Began, Gap
    FROM
    (
        SELECT CaseId, tupleElement(One, 2) AS Place, tupleElement(One, 3) AS Began, tupleElement(One, 4) AS Gap
        FROM
        (
            SELECT
                CaseId,
                arrayFilter(o -> o.1, arrayMap(
                    (a, b, e, s, i) -> (
                        a = {from_step:String} AND b = {to_step:String}, i, e, greatest(s - e, 0)),
                    arrayPopBack(Steps), arrayPopFront(Steps), arrayPopBack(Ends), arrayPopFront(Starts),
                    arrayPopBack(arrayEnumerate(Steps)))) AS List
            FROM cases FINAL
            WHERE TenantId = {tenant:String} AND Stream = {stream:String} AND Events > 1
                AND has(Steps, {from_step:String}) AND has(Steps, {to_step:String}) AND /*filter*/
        )
        ARRAY JOIN List AS One
    )
    ORDER BY cityHash64(CaseId, Place), CaseId, Place
    LIMIT {limit:UInt32}
)
ORDER BY Began, Began + Gap, CaseId, Place
