-- The usual wait after each step, from the waits begun in [from_ns, cutoff_ns) as they were known at `cutoff_ns`: the
-- Kaplan-Meier estimate of their distribution, in which a wait that was not over counts as at least as long as it was.
-- Seconds; NULL where too few were over to say.
SELECT
    stream,
    step,
    sum(Over) AS finished,
    min(FirstHere) AS first_ns,
    minIfOrNull(Length, Left <= 0.5 + 1e-9) / 1e9 AS median_s,
    minIfOrNull(Length, Left <= 0.1 + 1e-9) / 1e9 AS p90_s
FROM
(
    SELECT
        stream, step, Length, Over, FirstHere,
        exp(sum(log(1 - Over / AtRisk)) OVER (PARTITION BY stream, step ORDER BY Length)) AS Left
    FROM
    (
        SELECT
            stream, step, Length, Over, FirstHere,
            sum(Here) OVER (PARTITION BY stream, step ORDER BY Length DESC) AS AtRisk
        FROM
        (
            SELECT
                CaseStream AS stream,
                Step AS step,
                if(IsOver, Gone, {cutoff_ns:Int64}) - Entered AS Length,
                countIf(Stands = 0 AND Gone <= {cutoff_ns:Int64} AS IsOver) AS Over,
                count() AS Here,
                min(Entered) AS FirstHere
            FROM (/*stays*/)
            WHERE Entered < {cutoff_ns:Int64}
            GROUP BY stream, step, Length
        )
    )
)
GROUP BY stream, step
