-- How many cases the filter lets through.
SELECT count() AS cases
FROM cases FINAL
WHERE TenantId = {tenant:String} AND Stream = {stream:String} AND /*filter*/
