-- How long cases take, from first start to last end (seconds).
SELECT
    count() AS cases,
    countIf(Outcome = '') AS open_cases,
    arrayConcat([avg(Took)], quantilesExactInclusive(0.5, 0.9, 0.95)(Took), [sum(Took)]) AS durations
FROM
(
    SELECT Outcome, greatest(Duration, 0) / 1e9 AS Took
    FROM cases FINAL
    WHERE TenantId = {tenant:String} AND Stream = {stream:String} AND /*filter*/
)
