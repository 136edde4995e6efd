-- How many cases and events the filter lets through, and up to when there are data.
SELECT count() AS cases, sum(Events) AS events, max(Last) AS data_through
FROM cases FINAL
WHERE TenantId = {tenant:String} AND Stream = {stream:String} AND /*filter*/
