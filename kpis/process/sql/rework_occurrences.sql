-- What the repeated steps are compared with: how often every step occurs, and in how many cases. A case is counted where
-- the step occurs in it for the first time.
SELECT Step AS step, count() AS events, countIf(Time = 1) AS cases
FROM
(
    SELECT Steps, arrayEnumerateUniq(Steps) AS Times
    FROM cases FINAL
    WHERE TenantId = {tenant:String} AND Stream = {stream:String} AND /*filter*/
)
ARRAY JOIN Steps AS Step, Times AS Time
GROUP BY step
