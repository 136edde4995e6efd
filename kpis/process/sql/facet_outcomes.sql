-- How the cases that the filter lets through ended: cases by terminal event, '' while open.
SELECT toString(Outcome) AS outcome, count() AS cases
FROM cases FINAL
WHERE TenantId = {tenant:String} AND Stream = {stream:String} AND /*filter*/
GROUP BY outcome
ORDER BY cases DESC, outcome
