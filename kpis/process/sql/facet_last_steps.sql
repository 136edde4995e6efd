-- The latest step of the cases that the filter lets through: of open cases, where they stand.
SELECT toString(LastStep) AS step, count() AS cases
FROM cases FINAL
WHERE TenantId = {tenant:String} AND Stream = {stream:String} AND /*filter*/
GROUP BY step
ORDER BY cases DESC, step
