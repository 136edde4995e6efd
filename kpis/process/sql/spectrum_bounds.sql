-- One transition over all of its time: how often, first and last beginning (ns), and the quartiles of its gap (ns).
SELECT
    count() AS count,
    uniqExact(CaseId) AS cases,
    min(Began) AS first_ns,
    max(Began) AS last_ns,
    quantilesExactInclusive(0.25, 0.5, 0.75)(Gap) AS quartiles
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
