-- What the repeated steps are compared with: how often every step occurs, and in how many cases.
SELECT Step AS step, count() AS events, uniqExact(CaseId) AS cases
FROM
(
    SELECT CaseId, Steps
    FROM cases FINAL
    WHERE TenantId = {tenant:String} AND Stream = {stream:String} AND /*filter*/
)
ARRAY JOIN Steps AS Step
GROUP BY step
