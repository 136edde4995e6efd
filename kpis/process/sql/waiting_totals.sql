-- All waiting of the cases that the filter lets through, in seconds: before steps without a resource, and time whose use
-- is unknown because the start of the next step is.
SELECT
    count() AS cases,
    sum(Waiting / 1e9) AS waiting_s,
    sum(Unknown / 1e9) AS unknown_s,
    sum(arraySum(arrayMap((w, r) -> if(r = '', w / 1e9, 0.), Waits, Resources))) AS no_resource_s,
    sum(arrayCount(w -> w > 0, Waits)) AS waits
FROM cases FINAL
WHERE TenantId = {tenant:String} AND Stream = {stream:String} AND /*filter*/
