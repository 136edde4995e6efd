-- How many cases there are to compare, how many of them are closed, and up to when there are data.
SELECT count() AS cases, countIf(Outcome != '') AS closed, max(Last) AS data_through
FROM cases FINAL
WHERE TenantId = {tenant:String} AND Stream = {stream:String} AND /*filter*/
