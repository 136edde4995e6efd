-- Distinct sequences of steps: cases, durations in seconds, and how the cases ended ('' while open).
SELECT
    Variant AS id,
    any(Steps) AS steps,
    count() AS cases,
    quantileExactInclusive(0.5)(Duration / 1e9) AS median_s,
    quantileExactInclusive(0.9)(Duration / 1e9) AS p90_s,
    any(Rework) AS rework,
    sumMap(map(toString(Outcome), toUInt64(1))) AS outcomes,
    sum(cases) OVER () AS all_cases,
    count() OVER () AS total
FROM cases FINAL
WHERE TenantId = {tenant:String} AND Stream = {stream:String} AND /*filter*/
GROUP BY Variant
ORDER BY cases DESC, steps
LIMIT {limit:UInt32}
