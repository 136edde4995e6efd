-- The usual wait after each step, from the waits begun in [from_ns, cutoff_ns) as they were known at `cutoff_ns`: the
-- Kaplan-Meier estimate of their distribution, in which a wait that was not over counts as at least as long as it was.
-- Seconds; NULL where too few were over to say.
-- Lengths are doubled, and one more for those that were not over, which sorts them behind the others of their length.
-- The share that still waits after each is the product of (r - 1) / r over the waits that were over, r of them at risk.
SELECT
    step,
    finished,
    first_ns,
    if(Half = 0, NULL, intDiv(Lengths[Half], 2) / 1e9) AS median_s,
    if(Tenth = 0, NULL, intDiv(Lengths[Tenth], 2) / 1e9) AS p90_s
FROM
(
    SELECT
        step, finished, first_ns, Lengths,
        arrayCumSum(arrayMap(
            (x, r) -> if(bitAnd(x, 1) = 1, 0., log((r - 1) / r)), Lengths, arrayReverse(arrayEnumerate(Lengths)))) AS LogLeft,
        arrayFirstIndex(left -> left <= log(0.5 + 1e-9), LogLeft) AS Half,
        arrayFirstIndex(left -> left <= log(0.1 + 1e-9), LogLeft) AS Tenth
    FROM
    (
        SELECT
            toString(Step) AS step,
            countIf(IsOver) AS finished,
            min(Entered) AS first_ns,
            arraySort(groupArray(Length * 2 + if(IsOver, 0, 1))) AS Lengths
        FROM
        (
            SELECT
                Step, Entered,
                Stands = 0 AND Gone <= {cutoff_ns:Int64} AS IsOver,
                if(IsOver, Gone, {cutoff_ns:Int64}) AS Till,
                /*waited Entered Till*/ AS Length
            FROM (/*stays*/)
            WHERE Entered < {cutoff_ns:Int64}
        )
        GROUP BY Step
    )
)
