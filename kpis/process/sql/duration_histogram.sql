-- Cases by duration. Bucket n holds 10^(n/k) s up to, not including, 10^((n+1)/k) s, for k buckets a power of ten; cases
-- without duration come first.
SELECT
    Took > 0 AS timed,
    if(timed, toInt32(floor(log10(Took / 1e9) * {per_decade:UInt8})), 0) AS number,
    count() AS cases
FROM
(
    SELECT greatest(Duration, 0) AS Took
    FROM cases FINAL
    WHERE TenantId = {tenant:String} AND Stream = {stream:String} AND /*filter*/
)
GROUP BY timed, number
ORDER BY timed, number
