-- How many cases and events the filter lets through, and in how many cases a step occurs more than once.
SELECT count() AS cases, sum(Events) AS events, countIf(Rework = 1) AS rework_cases
FROM cases FINAL
WHERE TenantId = {tenant:String} AND Stream = {stream:String} AND /*filter*/
