-- Steps that occur again in their case. Sorting by step and place puts each occurrence beside the one before it, which
-- looking it up would do in quadratic time. `Loop`: right after it; `Who`: 1 the same resource, 2 another, 0 not known.
-- `by_event` and `by_case` hold repeat, redo, unknown, all of self-loops, then the same of repetitions.
SELECT
    Step AS step,
    count() AS cases,
    sumForEach(Counts) AS by_event,
    sumForEach(arrayMap(n -> toUInt64(n > 0), Counts)) AS by_case,
    sum(Timed) AS timed,
    sum(Work) AS working_s,
    arrayConcat([avg(Whole)], quantilesExactInclusive(0.5, 0.9, 0.95)(Whole), [sum(Whole)]) AS elapsed
FROM
(
    WITH tupleElement(One, 2) AS Loop, tupleElement(One, 3) AS Who
    SELECT
        CaseId,
        tupleElement(One, 1) AS Step,
        [
            countIf(Loop AND Who = 1), countIf(Loop AND Who = 2), countIf(Loop AND Who = 0), countIf(Loop),
            countIf(NOT Loop AND Who = 1), countIf(NOT Loop AND Who = 2), countIf(NOT Loop AND Who = 0), countIf(NOT Loop)
        ] AS Counts,
        sum(tupleElement(One, 4)) AS Timed,
        sum(tupleElement(One, 5)) AS Work,
        greatest(max(tupleElement(One, 7)) - min(tupleElement(One, 6)), 0) / 1e9 AS Whole
    FROM
    (
        SELECT
            CaseId,
            arraySort(arrayZip(Steps, arrayEnumerate(Steps), Resources, Starts, Ends, Started)) AS Sorted,
            arrayFilter(x -> tupleElement(x, 8), arrayMap(
                (a, b) -> (
                    b.1,
                    b.2 = a.2 + 1,
                    multiIf(a.3 = '' OR b.3 = '', 0, a.3 = b.3, 1, 2),
                    b.6,
                    if(b.6 = 1, greatest(b.5 - b.4, 0), 0) / 1e9,
                    a.4,
                    greatest(a.5, b.5),
                    a.1 = b.1),
                arrayPopBack(Sorted), arrayPopFront(Sorted))) AS Again
        FROM cases FINAL
        WHERE TenantId = {tenant:String} AND Stream = {stream:String} AND Rework = 1 AND /*filter*/
    )
    ARRAY JOIN Again AS One
    GROUP BY CaseId, Step
)
GROUP BY step
ORDER BY by_event[4] + by_event[8] DESC, step
