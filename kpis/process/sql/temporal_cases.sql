-- How many cases there are, and how many are short enough to be looked at.
SELECT count() AS cases, countIf(Events <= {longest:UInt32}) AS used
FROM cases FINAL
WHERE TenantId = {tenant:String} AND Stream = {stream:String} AND /*filter*/
