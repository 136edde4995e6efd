-- In how many cases each step occurs more than once: its second occurrence is counted.
SELECT step, count() AS cases
FROM
(
    SELECT arrayFilter((s, n) -> n = 2, Steps, arrayEnumerateUniq(Steps)) AS Again
    FROM cases FINAL
    WHERE TenantId = {tenant:String} AND Stream = {stream:String} AND Rework = 1 AND /*filter*/
)
ARRAY JOIN Again AS step
GROUP BY step
ORDER BY cases DESC, step
