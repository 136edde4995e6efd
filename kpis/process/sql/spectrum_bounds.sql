-- One transition over all of its time: how often, in how many cases, first and last beginning (ns), and the quartiles of
-- its gap (ns).
SELECT
    count() AS count,
    countIf(Time = 1) AS cases,
    min(Began) AS first_ns,
    max(Began) AS last_ns,
    quantilesExactInclusive(0.25, 0.5, 0.75)(Gap) AS quartiles
FROM
(
    /*occurrences*/
)
